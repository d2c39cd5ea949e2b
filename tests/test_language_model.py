"""Neural language models: equations written out, and what each option must change."""

import numpy as np
import pytest
import torch
from torch.optim import Adagrad

from helpers.language_model import (
    Dropout,
    FeedForwardLanguageModel,
    Objective,
    RecurrentLanguageModel,
    drop_units,
    feedforward_log_probabilities,
    feedforward_losses,
    in_columns,
    recurrent_log_probabilities,
    recurrent_losses,
)
from helpers.train import train

V, DIM, EOS = 11, 6, 0


@pytest.fixture
def text():
    return np.random.default_rng(0).integers(V, size=97)


def recurrent(cell="lstm", **options):
    torch.manual_seed(1)
    return RecurrentLanguageModel(V, DIM, cell=cell, layers=2, **options).double()


class Spy(Objective):
    """The exact loss, remembering what it was asked."""

    def __init__(self):
        super().__init__(np.ones(V), None, seed=0)
        self.hidden, self.targets = [], []

    def __call__(self, hidden, targets, model):
        self.hidden.append(hidden)
        self.targets.append(targets)
        return super().__call__(hidden, targets, model)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_hidden_states_are_those_of_the_layers(cell):
    model = recurrent(cell)
    words = torch.randint(V, (7, 3))
    state = [tuple(torch.randn_like(s) for s in x) for x in model.initial_state(3)]
    hidden, after = model(words, state)
    x = model.inputs[words]
    for layer, before, last in zip(model.layers, state, after, strict=True):
        x, expected = layer(x, before)
        for a, b in zip(last, expected, strict=True):
            torch.testing.assert_close(a, b)
    assert hidden.shape == (7, 3, DIM)
    torch.testing.assert_close(hidden, x)


@pytest.mark.parametrize("batch", [1, 4, 10])
def test_recurrent_log_probabilities_one_word_at_a_time(text, batch):
    model = recurrent()
    got = recurrent_log_probabilities(model, text, start=EOS, batch=batch, steps=5)
    time = -(-len(text) // batch)
    expected = []
    for i, word in enumerate(text):
        if i % time == 0:
            state, before = None, EOS
        hidden, state = model(torch.tensor([[before]]), state)
        scores = model.outputs @ hidden[0, 0] + model.bias[:, 0]
        expected.append(torch.log_softmax(scores, 0)[word].item())
        before = word
    assert got.shape == (97,)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_feedforward_is_bengios_equation(text):
    torch.manual_seed(0)
    model = FeedForwardLanguageModel(V, DIM, 5, context=3).double()
    model.bias.data.normal_()
    got = feedforward_log_probabilities(model, text, start=EOS, batch_size=10)
    c, e = model.inputs.detach().numpy(), model.outputs.detach().numpy()
    w = {name: p.detach().numpy() for name, p in model.named_parameters()}
    history = [EOS] * 3 + text.tolist()
    for i, word in enumerate(text):
        x = np.concatenate([c[j] for j in history[i : i + 3]])
        tanh = np.tanh(w["hidden.weight"] @ x + w["hidden.bias"])
        u, skip = e @ w["last.weight"], e @ w["skip.weight"]
        y = w["bias"][:, 0] + skip @ x + u @ tanh
        assert got[i] == pytest.approx(y[word] - np.log(np.exp(y).sum()), rel=1e-10)


def test_columns(text):
    columns = in_columns(text, 4)
    assert columns.shape == (24, 4)
    for b in range(4):
        assert columns[:, b].tolist() == text[24 * b : 24 * (b + 1)].tolist()


class TestTruncatedBackpropagation:
    def run(self, text, **options):
        model, spy = recurrent(), Spy()
        columns = in_columns(text, 4)
        losses = list(recurrent_losses(model, columns, spy, **options))
        return model, columns, spy, losses

    @pytest.mark.parametrize(
        ("k1", "k2"), [(5, None), (5, 5), (5, 8), (5, 12), (3, 100), (1, 4), (40, 40)]
    )
    def test_carried_state_sees_the_whole_past(self, text, k1, k2):
        """Weights don't change here, so the states are those of one long reading."""
        model, columns, spy, _ = self.run(text, k1=k1, k2=k2)
        whole, _ = model(columns[:-1])
        assert torch.equal(torch.cat(spy.targets), columns[1:].flatten())
        torch.testing.assert_close(torch.cat(spy.hidden), whole.flatten(0, 1))

    @pytest.mark.parametrize(("k1", "k2"), [(5, 5), (5, 8), (5, 12), (2, 9)])
    def test_the_gradient_goes_back_k2_words(self, text, k1, k2):
        model, columns, _, losses = self.run(text, k1=k1, k2=k2)
        update = 12 // k1 + 1  # far enough from the start
        end = (update + 1) * k1
        (grad,) = torch.autograd.grad(losses[update], model.inputs, retain_graph=True)
        begin = end - k2
        state = None
        with torch.no_grad():
            _, state = model(columns[:begin], state)
        hidden, _ = model(columns[begin:end], state)
        hidden = hidden[-k1:].flatten(0, 1)
        targets = columns[end - k1 + 1 : end + 1].flatten()
        (expected,) = torch.autograd.grad(Spy()(hidden, targets, model), model.inputs)
        torch.testing.assert_close(grad.to_dense(), expected.to_dense())

    def test_without_carry_each_update_begins_anew(self, text):
        model, columns, spy, _ = self.run(text, k1=5, carry=False)
        fresh, _ = model(columns[10:15])
        torch.testing.assert_close(spy.hidden[2], fresh.flatten(0, 1))

    def test_zeroed_columns(self, text):
        g = torch.Generator().manual_seed(5)
        draws = torch.rand(2, 4, generator=torch.Generator().manual_seed(5))
        model, columns, spy, _ = self.run(text, k1=12, zero=0.5, generator=g)
        kept = draws[1] >= 0.5
        assert kept.any()
        assert not kept.all()
        whole, _ = model(columns[:-1])
        fresh, _ = model(columns[12:-1])
        expected = torch.where(kept[None, :, None], whole[12:], fresh)
        torch.testing.assert_close(spy.hidden[1], expected.flatten(0, 1))

    def test_k2_below_k1(self, text):
        with pytest.raises(ValueError, match="k2 = 3 is less than k1 = 5"):
            self.run(text, k1=5, k2=3)


class TestDropout:
    def test_inverted_scaling_keeps_the_mean(self):
        torch.manual_seed(0)
        x = torch.rand(40, 50, 30) + 1
        dropped = drop_units(x, 0.3, variational=False)
        assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
        kept = dropped != 0
        torch.testing.assert_close(dropped[kept], x[kept] / 0.7)

    @pytest.mark.parametrize("variational", [True, False])
    def test_one_mask_for_all_times(self, variational):
        torch.manual_seed(0)
        zero = drop_units(torch.ones(9, 5, 40), 0.5, variational) == 0
        assert bool((zero == zero[0]).all()) == variational
        assert not (zero[:, 0] == zero[:, 1]).all()  # the columns have their own

    def test_words_are_dropped_whole_and_everywhere(self):
        model = recurrent(dropout=Dropout(words=0.5))
        seen = []
        model._run = lambda layer, x, state: (seen.append(x), (x, state))[1]
        words = torch.arange(V).repeat(3)[:, None]  # each word three times
        model(words)
        x = seen[0].reshape(3, V, DIM)
        torch.testing.assert_close(x[0], x[1])
        gone = (x[0] == 0).all(1)
        assert 0 < gone.sum() < V
        torch.testing.assert_close(x[0][~gone], 2 * model.inputs[~gone])

    @pytest.mark.parametrize("part", ["words", "inputs", "outputs", "recurrent"])
    def test_only_in_training(self, part):
        model = recurrent(dropout=Dropout(**{part: 0.5}))
        words = torch.randint(V, (6, 2))
        plain = recurrent()
        model.eval()
        torch.testing.assert_close(model(words)[0], plain(words)[0])
        model.train()
        assert not torch.allclose(model(words)[0], plain(words)[0])


def test_tied_model_has_one_table():
    tied, untied = recurrent(), recurrent(tied=False)
    assert tied.outputs is tied.inputs
    count = [sum(p.numel() for p in m.parameters()) for m in (tied, untied)]
    assert count[1] - count[0] == V * DIM


@pytest.mark.parametrize("n_samples", [None, 40])
def test_learns_a_text_that_repeats(n_samples):
    """A cycle of 11 words has no surprises; the text's unigrams have log 11 nats."""
    text = np.tile(np.random.default_rng(1).permutation(V), 60)
    torch.manual_seed(0)
    model = RecurrentLanguageModel(V, 16)
    objective = Objective(np.full(V, 60), n_samples, seed=0)
    columns = in_columns(text, 4)

    def validate():
        return -recurrent_log_probabilities(model, text, start=EOS, batch=2).mean()

    train(
        model,
        lambda epoch: recurrent_losses(model, columns, objective, k1=11),
        validate,
        Adagrad(model.parameters(), 0.2),
        epochs=10,
        steps=15,
        clip=1.0,
    )
    assert validate() < 0.2


def test_feedforward_learns_a_text_that_repeats():
    text = np.tile(np.random.default_rng(1).permutation(V), 60)
    torch.manual_seed(0)
    model = FeedForwardLanguageModel(V, 8, 16, context=2)
    objective, order = Objective(np.full(V, 60), 40, seed=0), torch.Generator()

    def losses(epoch):
        return feedforward_losses(
            model, text, objective, start=EOS, batch_size=32, generator=order
        )

    def validate():
        return -feedforward_log_probabilities(model, text, start=EOS).mean()

    train(model, losses, validate, Adagrad(model.parameters(), 0.1), epochs=8, steps=21)
    assert validate() < 0.2
