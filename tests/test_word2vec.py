from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from scipy.stats import chisquare

from helpers.np_word2vec import (
    keep_probability,
    noise_distribution,
    np_cbow,
    np_negative_sampling_loss,
    np_skipgram,
)
from helpers.text import Corpus
from helpers.word2vec import (
    negative_sampling_gradients,
    softmax_gradients,
    train_word2vec,
)
from helpers.word2vec_stream import CHUNK, PAIRS_PER_NOISE, Stream

REFERENCES = {"skipgram": np_skipgram, "cbow": np_cbow}
models = pytest.mark.parametrize("model", REFERENCES)
losses = pytest.mark.parametrize("negatives", [3, None], ids=["negatives", "softmax"])


def make_matrices(size, dim=5, seed=0):
    return np.random.default_rng(seed).normal(size=(2, size, dim))


def make_corpus(n_documents=12, n_words=30, seed=0):
    """Documents of 1 to 60 words with Zipf's frequencies."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, n_words + 1)
    lengths = rng.integers(1, 60, size=n_documents)
    return Corpus.from_documents(
        [[f"w{i}" for i in rng.choice(n_words, n, p=p / p.sum())] for n in lengths]
    )


def make_stream(corpus, model, negatives, window=3, sample=1e9, seed=0):
    return Stream(corpus, model, window, negatives, sample, seed, torch.device("cpu"))


def read_batch(batch, model):
    """Undo the matrices: (center, contexts, noise, noise weight) of each center."""
    centers = batch.inputs if model == "skipgram" else batch.outputs[:, :CHUNK]
    stretch = batch.outputs if model == "skipgram" else batch.inputs
    for g, t in np.ndindex(*centers.shape):
        windows = batch.weights if model == "skipgram" else batch.mean
        columns = windows[g, t, : CHUNK + 6].nonzero()[:, 0]
        if len(columns):
            noise_weights = batch.weights[g, t, batch.n_positive :]
            noise = batch.outputs[g, batch.n_positive :].tolist()
            weight = noise_weights[0].item() if noise else 1.0
            assert (noise_weights == weight).all()
            yield centers[g, t].item(), stretch[g, columns].tolist(), noise, weight


# The reference against autograd and finite differences


@models
@pytest.mark.parametrize("negatives", [[1, 6, 1, 0], None], ids=["noise", "softmax"])
def test_reference_equals_autograd_and_finite_differences(model, negatives):
    center, contexts, weight = 2, [4, 0, 4, 5], 0.7
    inputs, outputs = make_matrices(7)
    arguments = center, contexts, inputs, outputs, negatives, weight
    got = REFERENCES[model](*arguments)

    x, y = (torch.tensor(m, requires_grad=True) for m in (inputs, outputs))
    hidden = x[center] if model == "skipgram" else x[contexts].mean(0)
    targets = contexts if model == "skipgram" else [center]
    scores = y @ hidden
    if negatives is None:
        loss = -scores.log_softmax(0)[targets].sum()
    else:
        sigma = torch.nn.functional.logsigmoid
        loss = -sigma(scores[targets]).sum() - weight * sigma(-scores[negatives]).sum()
    loss.backward()
    assert got.loss == pytest.approx(loss.item())
    for gradient, wanted in [(got.inputs, x.grad), (got.outputs, y.grad)]:
        np.testing.assert_allclose(gradient, wanted.numpy(), atol=1e-12, strict=True)

    def loss_at(flat):
        a, b = flat.reshape(2, 7, 5)
        return REFERENCES[model](center, contexts, a, b, negatives, weight).loss

    numeric = approx_fprime(np.ravel([inputs, outputs]), loss_at, 1e-7)
    np.testing.assert_allclose(
        np.ravel([got.inputs, got.outputs]), numeric, atol=1e-5, strict=True
    )


def test_reference_stays_finite_for_huge_scores():
    outputs = np.array([[900.0], [-900.0]])
    part = np_negative_sampling_loss(np.ones(1), [1], [0], outputs)
    assert part.loss == pytest.approx(1800)
    np.testing.assert_allclose(part.outputs, [[1], [-1]])


def test_noise_and_subsampling_by_hand():
    counts = np.array([16, 1, 81])
    np.testing.assert_allclose(noise_distribution(counts), np.array([8, 1, 27]) / 36)
    got = keep_probability(np.array([90, 9, 1]), 0.01)
    np.testing.assert_allclose(got[:2], [1 / 90**0.5 + 1 / 90, 1 / 3 + 1 / 9])
    assert got[2] == 1


# The batches against the definition


@models
def test_every_center_gets_one_window_within_its_document(model):
    corpus = make_corpus()
    stream = make_stream(corpus, model, 5)
    rows = [row for b in stream.batches(0) for row in read_batch(b, model)]
    documents = [
        corpus.ids[a:b].tolist()
        for a, b in zip(corpus.starts[:-1], corpus.starts[1:], strict=True)
    ]
    windows = [(d, i) for d in documents if len(d) > 1 for i in range(len(d))]
    reaches = []
    for (center, contexts, noise, weight), (document, i) in zip(
        rows, windows, strict=True
    ):
        assert center == document[i]
        allowed = {
            reach: document[max(0, i - reach) : i] + document[i + 1 : i + 1 + reach]
            for reach in (1, 2, 3)
        }
        assert contexts in allowed.values()
        assert len(noise) == stream.n_noise
        positives = len(contexts) if model == "skipgram" else 1
        assert weight * stream.n_noise == pytest.approx(5 * positives, rel=1e-6)
        if 3 <= i < len(document) - 3:
            reaches.append(len(contexts) // 2)
    assert len(reaches) > 100
    assert chisquare(np.bincount(reaches, minlength=4)[1:]).pvalue > 1e-4


def test_subsampling_and_noise_follow_their_distributions():
    corpus = make_corpus(n_documents=900)
    counts = corpus.vocabulary.counts
    stream = make_stream(corpus, "cbow", 5, sample=0.02)
    batches = [b for number in range(20) for b in stream.batches(number)]
    noise = torch.cat([b.outputs[:, CHUNK:].flatten() for b in batches]).numpy()
    expected = noise_distribution(counts) * len(noise)
    observed = np.bincount(noise, minlength=len(counts))
    assert chisquare(observed, expected).pvalue > 1e-4
    used = [b.weights.diagonal(dim1=1, dim2=2) > 0 for b in batches]
    kept = [b.outputs[:, :CHUNK][u] for b, u in zip(batches, used, strict=True)]
    share = np.bincount(torch.cat(kept), minlength=len(counts)) / (20 * counts)
    np.testing.assert_allclose(share, keep_probability(counts, 0.02), atol=0.02)


def test_no_noise_word_meets_many_more_pairs_in_wide_windows():
    corpus = make_corpus()
    for window, negatives in [(2, 5), (5, 5), (5, 15), (15, 5)]:
        stream = make_stream(corpus, "skipgram", negatives, window=window)
        pairs = CHUNK * (window + 1) * negatives  # of a chunk, expected
        assert stream.n_noise >= 22
        assert pairs / stream.n_noise <= PAIRS_PER_NOISE


def test_blocks_cover_the_corpus_and_epochs_differ(monkeypatch):
    monkeypatch.setattr("helpers.word2vec_stream.BLOCK", 50)
    corpus = make_corpus()
    stream = make_stream(corpus, "skipgram", 5)
    n_blocks = len(stream.block_starts) - 1
    assert n_blocks > 3
    assert stream.block_starts[[0, -1]].tolist() == [0, len(corpus.ids)]
    assert set(stream.block_starts) <= set(corpus.starts)

    def words_and_noise(number):
        batches = list(stream.batches(number))
        words = [row[0] for b in batches for row in read_batch(b, "skipgram")]
        return words, [b.outputs[:, -stream.n_noise :].tolist() for b in batches]

    first, again, later = map(words_and_noise, [1, 1, 1 + n_blocks])
    assert first == again
    assert first[0] == later[0]
    assert first[1] != later[1]


# The fast gradients against the reference


@models
@losses
def test_batch_gradient_is_the_sum_of_the_reference(model, negatives):
    corpus = make_corpus(n_documents=3)
    inputs, outputs = make_matrices(len(corpus.vocabulary))
    stream = make_stream(corpus, model, negatives)
    (batch,) = stream.batches(0)
    batch = batch._replace(
        weights=batch.weights.double(),
        mean=None if batch.mean is None else batch.mean.double(),
    )
    x, y = torch.tensor(inputs)[batch.inputs], torch.tensor(outputs)
    got_inputs, got_outputs = torch.zeros(2, *inputs.shape, dtype=torch.float64)
    if negatives is None:
        grad_x, got_outputs = softmax_gradients(batch, x, y)
    else:
        grad_x, grad_y = negative_sampling_gradients(batch, x, y[batch.outputs])
        got_outputs.index_add_(0, batch.outputs.flatten(), grad_y.flatten(0, 1))
    got_inputs.index_add_(0, batch.inputs.flatten(), grad_x.flatten(0, 1))

    wanted_inputs, wanted_outputs = np.zeros((2, *inputs.shape))
    for center, contexts, noise, weight in read_batch(batch, model):
        part = REFERENCES[model](
            center, contexts, inputs, outputs, noise or None, weight
        )
        wanted_inputs += part.inputs
        wanted_outputs += part.outputs
    for got, wanted in [(got_inputs, wanted_inputs), (got_outputs, wanted_outputs)]:
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-6, strict=True)


# Training


def make_topics(n_documents=400):
    """Documents that each take their words from one of four topics of six words."""
    rng = np.random.default_rng(0)
    topics = rng.integers(4, size=n_documents)
    return Corpus.from_documents(
        [[f"{'abcd'[t]}{i}" for i in rng.integers(6, size=25)] for t in topics]
    )


@models
@losses
def test_training_finds_the_topics(model, negatives):
    trained = train_word2vec(
        make_topics(),
        seed=0,
        model=model,
        negatives=negatives,
        dim=8,
        sample=1.0,
        epochs=20,
        learning_rate=0.1,  # of 24 words, high enough to diverge without the step limit
    )
    vectors = trained.vectors
    for word in vectors.words:
        nearest = [w[0] for w, _ in vectors.neighbours(word, 5)]
        assert nearest == [word[0]] * 5
    assert np.isfinite(trained.inputs).all()
    assert np.abs(trained.outputs).max() < 20


def test_one_thread_gives_the_same_bits_and_another_seed_does_not():
    corpus = make_corpus(n_documents=100)

    def train(seed):
        return train_word2vec(corpus, seed=seed, dim=8, epochs=2, threads=1)

    first, again, other = train(1), train(1), train(2)
    for name in ("inputs", "outputs"):
        matrix = getattr(first, name)
        assert matrix.shape == (len(corpus.vocabulary), 8)
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix, getattr(again, name), strict=True)
        assert (matrix != getattr(other, name)).any()


def test_callback_sees_the_way_from_start_to_end():
    seen = []
    corpus = make_corpus(n_documents=50)
    trained = train_word2vec(
        corpus,
        seed=0,
        dim=4,
        epochs=8,
        snapshots=4,
        callback=lambda done, model: seen.append((done, model)),
    )
    assert [done for done, _ in seen] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert (seen[0][1].outputs == 0).all()
    np.testing.assert_array_equal(seen[-1][1].inputs, trained.inputs)
    moved = [np.abs(b.outputs - a.outputs).max() for (_, a), (_, b) in pairwise(seen)]
    assert min(moved) > 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"window": 0}, "window = 0"),
        ({"dim": 0}, "dim = 0"),
        ({"epochs": 0}, "epochs = 0"),
        ({"model": "glove"}, "model = 'glove'"),
        ({"negatives": 0}, "negatives = 0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        train_word2vec(make_corpus(), seed=0, **setting)


def test_an_empty_corpus_is_named():
    with pytest.raises(ValueError, match="words in the corpus = 0"):
        train_word2vec(Corpus.from_documents([["a"]], min_count=2), seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_starts_and_ends_where_the_cpu_does():
    corpus = make_topics()
    cpu, gpu = (
        train_word2vec(corpus, seed=0, dim=8, epochs=2, threads=1, device=device)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(gpu.inputs, cpu.inputs, atol=1e-3)
