"""The training loop on a small regression, where every step can be followed."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from helpers.train import Rollback, clip_gradients, gradient_norm, save, train

STEPS = 4


def problem(seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 3, generator=g)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(40, generator=g)
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.3, 0.2, -0.1]]))
        model.bias.fill_(0.1)

    def losses(epoch):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(10):
            yield ((model(x[batch]).squeeze(1) - y[batch]) ** 2).mean()

    def validate():
        return ((model(x).squeeze(1) - y) ** 2).mean().item()

    return model, losses, validate


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def given(values):
    """A validation that says what it is told."""
    values = iter(values)
    return lambda: next(values)


class TestClipping:
    def gradients(self):
        torch.manual_seed(0)
        table = nn.Embedding(7, 2, sparse=True)
        dense = nn.Parameter(torch.randn(2, 3))
        words = torch.tensor([1, 4, 4, 6])
        (table(words) @ dense).pow(2).sum().backward()
        return [table.weight, dense]

    def test_norm_counts_sparse_gradients(self):
        parameters = self.gradients()
        every = torch.cat([p.grad.to_dense().flatten() for p in parameters])
        torch.testing.assert_close(gradient_norm(parameters), every.norm())

    def test_as_torch_clips(self):
        ours, theirs = self.gradients(), self.gradients()
        for p in theirs:
            p.grad = p.grad.to_dense()
        norm = nn.utils.clip_grad_norm_(theirs, 0.5)
        torch.testing.assert_close(clip_gradients(ours, 0.5), norm)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a.grad.to_dense(), b.grad)

    def test_a_short_gradient_stays(self):
        parameters = self.gradients()
        before = [p.grad.to_dense().clone() for p in parameters]
        clip_gradients(parameters, 1e6)
        for p, g in zip(parameters, before, strict=True):
            torch.testing.assert_close(p.grad.to_dense(), g)


def test_trains_as_a_loop_written_out():
    model, losses, validate = problem()
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    history = train(model, losses, validate, optimizer, epochs=3, steps=STEPS, clip=1.0)
    other, losses, validate = problem()
    optimizer = torch.optim.Adam(other.parameters(), 0.05)
    for epoch in range(3):
        for loss in losses(epoch):
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
            optimizer.step()
    torch.testing.assert_close(weights(model), weights(other))
    assert history.epochs[-1].valid_loss == pytest.approx(validate(), rel=1e-6)
    assert not model.training


def test_schedule_sees_the_whole_training():
    model, losses, validate = problem()
    seen = []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def schedule(done):
        seen.append(done)
        return 1 - done

    history = train(
        model, losses, validate, optimizer, epochs=2, steps=STEPS, schedule=schedule
    )
    assert seen == [i / 8 for i in range(8)]
    rates = [epoch.learning_rate for epoch in history.epochs]
    assert rates == pytest.approx([0.1 * 5 / 8, 0.1 / 8])


def test_patience_stops_and_the_best_epoch_is_kept():
    model, losses, _ = problem()
    after = []
    told = given([3.0, 1.0, 2.0, 1.0, 0.5])

    def validate():
        after.append(weights(model).clone())
        return told()

    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    history = train(
        model, losses, validate, optimizer, epochs=9, steps=STEPS, patience=2
    )
    assert [e.best for e in history.epochs] == [True, True, False, False]
    assert history.best == 1
    assert torch.equal(weights(model), after[1])


@pytest.mark.parametrize("strategy", ["keep", "restore", "reset"])
def test_rollback(strategy):
    """After a failed epoch: the best weights, a smaller rate, and which memory?"""
    model, losses, _ = problem()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    memories, starts = [], []

    def recorded(epoch):
        starts.append(weights(model).clone())
        state = optimizer.state_dict()["state"]
        memories.append(state[0]["momentum_buffer"].clone() if state else None)
        yield from losses(epoch)

    ends = []
    told = given([1.0, 2.0, 3.0])

    def validate():
        ends.append(optimizer.state_dict()["state"][0]["momentum_buffer"].clone())
        return told()

    history = train(
        model,
        recorded,
        validate,
        optimizer,
        epochs=3,
        steps=STEPS,
        rollback=Rollback(0.5, strategy),
    )
    assert torch.equal(starts[2], starts[1])  # both begin at the best weights
    assert [e.learning_rate for e in history.epochs] == pytest.approx([0.1, 0.1, 0.05])
    if strategy == "reset":
        assert memories[2] is None
    else:
        expected = ends[1] if strategy == "keep" else ends[0]
        assert torch.equal(memories[2], expected)
        assert not torch.equal(ends[0], ends[1])


def test_a_killed_run_continues_as_if_nothing_had_happened(tmp_path):
    options = dict(epochs=5, steps=STEPS, rollback=Rollback(), schedule=lambda t: 1 - t)
    told = np.array([3.0, 1.0, 2.0, 0.9, 0.8])  # means are often NumPy numbers

    def run(losses_of, model, values, checkpoint):
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        return train(
            model,
            losses_of,
            given(values),
            optimizer,
            checkpoint=checkpoint,
            **options,
        )

    whole, losses, _ = problem()
    expected = run(losses, whole, told, None)

    model, losses, _ = problem()

    def killed(epoch):
        for i, loss in enumerate(losses(epoch)):
            if (epoch, i) == (3, 2):
                raise KeyboardInterrupt
            yield loss

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        run(killed, model, told, path)
    again, losses, _ = problem()
    history = run(losses, again, told[3:], path)
    assert history == expected
    assert torch.equal(weights(again), weights(whole))


def test_a_file_stays_whole_when_the_next_write_fails(tmp_path):
    path = tmp_path / "run.pt"
    save({"epochs": 1}, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save({"epochs": 2, "schedule": lambda done: 1 - done}, path)
    assert torch.load(path) == {"epochs": 1}


def test_a_loss_that_is_not_finite():
    model, losses, validate = problem()

    def broken(epoch):
        yield from (loss * math.inf for loss in losses(epoch))

    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"inf at batch 0 of epoch 0.*clip"):
        train(model, broken, validate, optimizer, epochs=1, steps=STEPS)
