"""One training loop: clipping, early stopping, rollback, progress, resume."""

import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training text brought.

    Attributes:
        train_loss: mean over the batches, each as it was when trained on.
        valid_loss: after the epoch.
        learning_rate: that the epoch ended with.
        best: whether no earlier epoch had a lower validation loss.
    """

    train_loss: float
    valid_loss: float
    learning_rate: float
    best: bool


@dataclass
class History:
    """The epochs of a training run, in order."""

    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Number of the epoch, from 0, whose weights the model has in the end."""
        return max(i for i, epoch in enumerate(self.epochs) if epoch.best)

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return len(self.epochs) - 1 - self.best if self.epochs else 0


@dataclass(frozen=True)
class Rollback:
    """Return to the best weights whenever an epoch did not improve on them.

    Attributes:
        decay: the learning rate is multiplied by this each time.
        optimizer: what happens to the optimiser's own memory (momenta, sums of
            squares): "keep" that of the failed epoch, "restore" that of the best
            epoch, or "reset" it to none.
    """

    decay: float = 0.5
    optimizer: Literal["keep", "restore", "reset"] = "restore"


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Length of all gradients as one vector, sparse ones included; a scalar."""
    grads = [p.grad for p in parameters if p.grad is not None]
    values = [g.coalesce().values() if g.is_sparse else g for g in grads]
    return torch.linalg.vector_norm(torch.stack([v.norm() for v in values]))


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Shorten the gradient to `limit` where it is longer (Pascanu et al. 2013, alg. 1).

    Like `torch.nn.utils.clip_grad_norm_`, which takes no sparse gradients.

    Returns:
        The length before.
    """
    parameters = list(parameters)
    norm = gradient_norm(parameters)
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(factor)
    return norm


class _Run:
    """A training run's state: what a checkpoint holds."""

    def __init__(self, model: nn.Module, optimizer: Optimizer):
        self.model, self.optimizer = model, optimizer
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.factor = 1.0  # what rollbacks have made of the learning rates
        self.fresh = deepcopy(optimizer.state_dict())
        self.best: dict = {}  # the weights and the optimiser's memory then
        self.history = History()

    def set_rate(self, scheduled: float) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.factor * scheduled

    def end_epoch(
        self, train_loss: float, valid_loss: float, rollback: Rollback | None
    ) -> None:
        lowest = min((e.valid_loss for e in self.history.epochs), default=math.inf)
        rate = self.optimizer.param_groups[0]["lr"]
        epoch = Epoch(train_loss, valid_loss, rate, valid_loss < lowest)
        self.history.epochs.append(epoch)
        if epoch.best:
            self.best = deepcopy(
                {
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                }
            )
        elif rollback:
            self.factor *= rollback.decay
            self.model.load_state_dict(self.best["model"])
            if rollback.optimizer != "keep":
                restore = rollback.optimizer == "restore"
                memory = self.best["optimizer"] if restore else self.fresh
                self.optimizer.load_state_dict(deepcopy(memory))

    def state(self) -> dict:
        return {
            "epochs": [asdict(epoch) for epoch in self.history.epochs],
            "factor": self.factor,
            "best": self.best,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, path: Path) -> None:
        where = next(self.model.parameters()).device
        state = torch.load(path, map_location=where, weights_only=True)
        self.history = History([Epoch(**epoch) for epoch in state["epochs"]])
        self.factor, self.best = state["factor"], state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def save(state: dict, path: Path) -> None:
    """Write `state` for `torch.load`; `path` stays as it was until that is done."""
    partial = path.with_name(path.name + ".part")
    torch.save(state, partial)
    partial.replace(path)


def train(
    model: nn.Module,
    losses: Callable[[int], Iterator[Tensor]],
    validate: Callable[[], float],
    optimizer: Optimizer,
    *,
    epochs: int,
    steps: int,
    clip: float = math.inf,
    schedule: Callable[[float], float] | None = None,
    patience: int | None = None,
    rollback: Rollback | None = None,
    checkpoint: Path | None = None,
) -> History:
    """Train a model, and leave it with the weights of its best epoch.

    Args:
        model: trained in place.
        losses: given the epoch's number, from 0, yields the loss of one batch after
            another, each computed with the weights of that moment.
        validate: the loss on held-out data, lower is better; called after each epoch
            in evaluation mode and without gradients.
        optimizer: over the model's parameters.
        epochs: at most so many.
        steps: batches in an epoch.
        clip: longest gradient, see `clip_gradients`.
        schedule: learning rates are multiplied by `schedule(done)`, where `done` in
            [0, 1) is the part of the whole training behind.
        patience: stop after so many epochs in a row without improvement.
        rollback: what else an epoch without improvement leads to.
        checkpoint: a file that holds the run after each epoch. Where it exists, the
            run continues from there: pass what you passed before.

    Raises:
        ValueError: a loss is not finite.
    """
    run = _Run(model, optimizer)
    if checkpoint and checkpoint.exists():
        run.load(checkpoint)
    started = len(run.history.epochs)
    bar = tqdm(desc="training", total=steps * epochs, unit=" batches", leave=False)
    bar.update(started * steps)
    for epoch in range(started, epochs):
        if patience is not None and run.history.waited >= patience:
            break
        model.train()
        seen = []
        for step, loss in enumerate(losses(epoch)):
            seen.append(loss.item())
            if not math.isfinite(seen[-1]):
                raise ValueError(
                    f"the loss became {seen[-1]} at batch {step} of epoch {epoch}: use "
                    "a smaller learning rate, or clip the gradient"
                )
            optimizer.zero_grad()
            loss.backward()
            if clip < math.inf:
                clip_gradients(model.parameters(), clip)
            done = (epoch + step / steps) / epochs
            run.set_rate(schedule(done) if schedule else 1.0)
            optimizer.step()
            bar.update()
        model.eval()
        with torch.no_grad():
            valid = float(validate())  # a NumPy number would not load again
        run.end_epoch(math.fsum(seen) / len(seen), valid, rollback)
        bar.set_postfix(valid=f"{valid:.3f}", refresh=False)
        if checkpoint:
            save(run.state(), checkpoint)
    bar.close()
    model.load_state_dict(run.best["model"])
    model.eval()
    return run.history
