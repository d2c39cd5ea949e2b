"""Training on co-occurrence counts, against autograd, torch's AdaGrad and a plan."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.optimize import approx_fprime

from helpers import glove
from helpers.glove import Tile, train_glove
from helpers.text import Vocabulary

X_MAX, POWER = 8.0, 0.6


def words(n: int) -> Vocabulary:
    return Vocabulary([f"w{i}" for i in range(n)], np.arange(n, 0, -1))


def random_counts(n: int, m: int, seed: int, dtype=np.float64) -> sparse.csr_array:
    """Not symmetric, with counts on both sides of X_MAX and rows without any."""
    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.5, 12, size=(n, m)) * (rng.random((n, m)) < 0.4)
    counts[n // 2] = 0
    return sparse.csr_array(counts.astype(dtype))


def dense_loss(counts, rows, columns, x_max=X_MAX, power=POWER):
    """Pennington et al. 2014, eqs. 8 and 9, over a dense matrix of counts."""
    counts = torch.as_tensor(counts, dtype=rows.dtype)
    weights = torch.where(counts < x_max, (counts / x_max) ** power, 1.0)
    logs = torch.where(counts > 0, counts, 1.0).log()
    return torch.where(counts > 0, weights * (rows @ columns.T - logs) ** 2, 0.0).sum()


def random_problem(n=9, m=7, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    counts = random_counts(n, m, seed)
    return counts, rng.normal(size=(n, dim)), rng.normal(size=(m, dim))


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_equal_autograd(seed):
    counts, rows, columns = random_problem(seed=seed)
    rows, columns = (torch.tensor(a, requires_grad=True) for a in (rows, columns))
    expected = dense_loss(counts.toarray(), rows, columns)
    expected.backward()
    tile = Tile.from_counts(counts, X_MAX, POWER)
    loss, grad_rows, grad_columns = tile.gradients(rows.detach(), columns.detach())
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(grad_rows, rows.grad)
    torch.testing.assert_close(grad_columns, columns.grad)


def test_gradients_equal_finite_differences():
    counts, rows, columns = random_problem(seed=5)
    tile = Tile.from_counts(counts, X_MAX, POWER)

    def loss(flat):
        r, c = flat[: rows.size], flat[rows.size :]
        r, c = (torch.from_numpy(a.reshape(-1, 4).copy()) for a in (r, c))
        return tile.gradients(r, c)[0].item()

    point = np.concatenate([rows.ravel(), columns.ravel()])
    _, *grads = tile.gradients(torch.from_numpy(rows), torch.from_numpy(columns))
    ours = np.concatenate([grad.numpy().ravel() for grad in grads])
    np.testing.assert_allclose(ours, approx_fprime(point, loss), rtol=1e-4, atol=1e-3)


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.sampled_from([0.0, 0.1, 1.0, X_MAX, 300.0]),
    )
)
def test_any_pattern_of_zeros(counts):
    n, m = counts.shape
    rows = torch.linspace(-1, 2, 3 * n, dtype=torch.float64).reshape(n, 3)
    columns = torch.linspace(2, -3, 3 * m, dtype=torch.float64).reshape(m, 3)
    tile = Tile.from_counts(sparse.csr_array(counts), X_MAX, POWER)
    rows.requires_grad_(), columns.requires_grad_()
    expected = dense_loss(counts, rows, columns)
    expected.backward()
    loss, grad_rows, grad_columns = tile.gradients(rows.detach(), columns.detach())
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(grad_rows, rows.grad)
    torch.testing.assert_close(grad_columns, columns.grad)


def augmented(model):
    """Rows (r, b, 1) and (r~, 1, b~) of a trained model, as float32 tensors."""
    ones = np.ones((len(model.inputs), 1), dtype=np.float32)
    rows = np.hstack([model.inputs, model.input_biases[:, None], ones])
    columns = np.hstack([model.outputs, ones, model.output_biases[:, None]])
    return torch.from_numpy(rows), torch.from_numpy(columns)


def test_two_epochs_equal_torch_adagrad(monkeypatch):
    """With one block an epoch is one step on the full gradient."""
    monkeypatch.setattr(glove, "BLOCKS", 1)
    counts = random_counts(12, 12, seed=1, dtype=np.float32)
    models = []
    train_glove(
        counts,
        words(12),
        seed=3,
        dim=3,
        epochs=2,
        learning_rate=0.7,
        x_max=X_MAX,
        power=POWER,
        callback=lambda done, model: models.append(model),
    )
    start, *steps = models
    arrays_ = (start.inputs, start.outputs, start.input_biases, start.output_biases)
    parameters = [torch.tensor(a, requires_grad=True) for a in arrays_]
    optimiser = torch.optim.Adagrad(
        parameters, lr=0.7, initial_accumulator_value=glove.START_SQUARES
    )
    for epoch, model in enumerate(steps, start=1):
        r, r_, b, b_ = parameters
        ones = torch.ones(12, 1)
        rows, columns = (
            torch.hstack([r, b[:, None], ones]),
            torch.hstack([r_, ones, b_[:, None]]),
        )
        optimiser.zero_grad()
        loss = dense_loss(counts.toarray(), rows, columns)
        loss.backward()
        optimiser.step()
        assert len(model.losses) == epoch
        assert model.losses[-1] == pytest.approx(loss.item(), rel=1e-5)
        ours = (model.inputs, model.outputs, model.input_biases, model.output_biases)
        for a, b in zip(ours, parameters, strict=True):
            np.testing.assert_allclose(a, b.detach(), rtol=1e-4, atol=1e-6)
        assert np.abs(ours[0] - start.inputs).max() > 0.01  # it did move


@pytest.mark.parametrize(
    ("size", "block_words"),
    [(3, 4096), (16, 4096), (37, 4096), (37, 2)],  # fewer words than blocks, and more
)
def test_tiles_hold_each_count_once(monkeypatch, size, block_words):
    """At learning rate 0 the tiles' losses add up to J of the first vectors."""
    monkeypatch.setattr(glove, "BLOCK_WORDS", block_words)
    counts = random_counts(size, size, seed=size, dtype=np.float32)
    model = train_glove(
        counts,
        words(size),
        seed=1,
        dim=4,
        epochs=1,
        learning_rate=0,
        x_max=X_MAX,
        power=POWER,
    )
    expected = dense_loss(counts.toarray(), *augmented(model))
    assert model.losses == [pytest.approx(expected.item(), rel=1e-5)]


def test_seed_decides_and_threads_do_not():
    counts = random_counts(60, 60, seed=2, dtype=np.float32)

    def inputs(seed, threads):
        model = train_glove(
            counts, words(60), seed=seed, dim=5, epochs=4, threads=threads
        )
        return np.column_stack([model.inputs, model.output_biases])

    one = inputs(seed=1, threads=1)
    np.testing.assert_array_equal(one, inputs(seed=1, threads=1))
    np.testing.assert_array_equal(one, inputs(seed=1, threads=3))
    assert np.abs(one - inputs(seed=2, threads=1)).max() > 0.01


def test_recovers_a_planted_matrix():
    """Counts whose logarithms are exactly r . r~ + b + b~; a tenth are held back."""
    rng = np.random.default_rng(4)
    size, dim = 80, 3
    r, r_ = rng.normal(0, 0.7, size=(2, size, dim))
    b, b_ = rng.normal(1, 0.5, size=(2, size, 1))
    planted = r @ r_.T + b + b_.T
    seen = rng.random((size, size)) < 0.9
    counts = sparse.csr_array((np.exp(planted) * seen).astype(np.float32))
    model = train_glove(
        counts, words(size), seed=1, dim=dim, epochs=300, learning_rate=0.5, x_max=1
    )
    rows, columns = augmented(model)
    errors = (rows @ columns.T).numpy() - planted
    assert model.losses[-1] < 1e-3 * model.losses[0]
    assert np.sqrt(np.mean(errors[~seen] ** 2)) < 0.05  # of planted.std() 1.4


def test_whole_numbers_train_like_floats():
    counts = random_counts(30, 30, seed=7).ceil()
    models = [
        train_glove(counts.astype(dtype), words(30), seed=1, dim=3, epochs=2)
        for dtype in (np.int64, np.float32)
    ]
    np.testing.assert_array_equal(models[0].inputs, models[1].inputs)
    assert models[0].losses[1] < models[0].losses[0]


def test_vectors_are_the_sum_of_both():
    model = train_glove(
        random_counts(20, 20, seed=6), words(20), seed=1, dim=6, epochs=1
    )
    assert model.inputs.shape == model.outputs.shape == (20, 6)
    assert model.input_biases.shape == model.output_biases.shape == (20,)
    assert model.inputs.dtype == np.float32
    assert model.vectors.words == model.vocabulary.words
    np.testing.assert_array_equal(model.vectors.matrix, model.inputs + model.outputs)


def test_callback_sees_the_start_and_each_epoch():
    seen = []
    model = train_glove(
        random_counts(20, 20, seed=6),
        words(20),
        seed=1,
        dim=2,
        epochs=4,
        callback=lambda done, m: seen.append((done, m.losses, m.inputs.copy())),
    )
    assert [done for done, *_ in seen] == [0, 0.25, 0.5, 0.75, 1]
    assert [len(losses) for _, losses, _ in seen] == [0, 1, 2, 3, 4]
    assert not np.array_equal(seen[-2][2], seen[-1][2])
    np.testing.assert_array_equal(seen[-1][2], model.inputs)


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_glove(random_counts(5, 5, seed=1), words(5), seed=1, dim=2, epochs=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": sparse.csr_array((3, 4))}, r"shape \(3, 4\) for 4 words"),
        ({"counts": sparse.csr_array((4, 4))}, "above 0"),
        ({"counts": sparse.csr_array(-np.eye(4))}, "above 0"),
        ({"counts": sparse.csr_array(np.diag([1, 2, np.inf, 1]))}, "above 0"),
        ({"dim": 0}, "dim = 0, but it must be at least 1"),
        ({"epochs": 0}, "epochs = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"x_max": 0}, "x_max = 0"),
        ({"learning_rate": -1}, "learning_rate = -1"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"counts": sparse.csr_array(np.eye(4)), "vocabulary": words(4)}
    with pytest.raises(ValueError, match=message):
        train_glove(**{**arguments, "seed": 1, **changes})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_with_cpu():
    counts = random_counts(60, 60, seed=2, dtype=np.float32)
    cpu, gpu = (
        train_glove(counts, words(60), seed=1, dim=5, epochs=3, device=device)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cpu.inputs, gpu.inputs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(cpu.losses, gpu.losses, rtol=1e-4)
