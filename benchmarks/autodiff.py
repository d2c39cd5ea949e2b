"""Automatic differentiation: ours, HIPS autograd and torch on the same work.

    pip install -e ".[benchmarks]"      # autograd; torch is here already
    python benchmarks/autodiff.py [--rounds 15]

Every round times all three once, in turn, on one thread and in CPU seconds; a figure is
the median of the rounds, and a ratio the median of the rounds' ratios, so that a busy
machine disturbs all alike. Before anything is timed, the gradients are compared. The
last line ends with

    speed_ratio=…   autograd's time per small operation / ours, the smaller of the
                    ratios on a scalar and on a vector of 10
"""

import argparse
import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable

import autograd
import autograd.numpy as autograd_np
import numpy as np
import torch
from autograd.scipy.special import logsumexp as autograd_logsumexp

from helpers import autodiff

OPERATIONS = 1000  # in the chain of small operations: scale, shift, tanh in turn
CONTEXT, DIM, HIDDEN, BATCH = 3, 30, 100, 100
ORDER = ("ours", "autograd", "torch")


def interleaved(work: dict[str, Callable[[], object]], rounds: int) -> dict:
    """CPU seconds per call of each entry, one per round."""
    seconds = {name: [] for name in work}
    repeats = {}
    for name, call in work.items():
        call()
        start = time.process_time()
        call()
        spent = max(time.process_time() - start, 1e-6)
        repeats[name] = max(1, int(0.02 / spent))
    for _ in range(rounds):
        for name, call in work.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.process_time() - start) / repeats[name])
    return {name: np.array(times) for name, times in seconds.items()}


def report(label: str, seconds: dict, unit: float, unit_name: str) -> float:
    """Print a row; return autograd's time over ours."""
    row = "  ".join(
        f"{name} {np.median(seconds[name]) / unit:9.3f} {unit_name}" for name in ORDER
    )
    ratio = float(np.median(seconds["autograd"] / seconds["ours"]))
    print(f"{label:<34} {row}   autograd / ours {ratio:.2f}", flush=True)
    return ratio


def chain(tanh: Callable, total: Callable, operations: int) -> Callable:
    def run(x):
        for _ in range(operations // 3):
            x = tanh(x * 1.01 + 0.1)
        return total(x)

    return run


def torch_gradient(fun: Callable, *arrays: np.ndarray) -> Callable[[], list]:
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]

    def run():
        return torch.autograd.grad(fun(*leaves), leaves)

    return run


def chains(x: float | np.ndarray, operations: int = OPERATIONS) -> dict:
    ours = autodiff.grad(chain(autodiff.numpy.tanh, autodiff.numpy.sum, operations))
    theirs = autograd.grad(chain(autograd_np.tanh, autograd_np.sum, operations))
    other = torch_gradient(chain(torch.tanh, torch.sum, operations), np.asarray(x))
    np.testing.assert_allclose(ours(x), theirs(x))
    np.testing.assert_allclose(ours(x), other()[0].numpy())
    return {"ours": lambda: ours(x), "autograd": lambda: theirs(x), "torch": other}


def bengio(vocabulary: int) -> dict:
    """Value and gradient of the network of Bengio et al. (2003), without direct links.

    Mean cross-entropy of a batch: embeddings, one tanh layer, softmax.
    """
    rng = np.random.default_rng(0)
    parameters = [
        rng.normal(size=(vocabulary, DIM)),
        rng.normal(size=(CONTEXT * DIM, HIDDEN)) / 10,
        np.zeros(HIDDEN),
        rng.normal(size=(HIDDEN, vocabulary)) / 10,
        np.zeros(vocabulary),
    ]
    words = rng.integers(vocabulary, size=(BATCH, CONTEXT))
    targets = rng.integers(vocabulary, size=BATCH)
    rows = np.arange(BATCH)

    def loss_with(np_like, logsumexp):
        def loss(parameters):
            embedding, w, b, u, c = parameters
            x = embedding[words].reshape((BATCH, CONTEXT * DIM))
            scores = np_like.tanh(x @ w + b) @ u + c
            return np_like.mean(logsumexp(scores, 1) - scores[rows, targets])

        return loss

    numpy = autodiff.numpy
    ours = autodiff.value_and_grad(loss_with(numpy, numpy.logsumexp))
    theirs = autograd.value_and_grad(loss_with(autograd_np, autograd_logsumexp))
    leaves = [torch.tensor(x, requires_grad=True) for x in parameters]
    torch_loss = loss_with(torch, torch.logsumexp)

    def other():
        loss = torch_loss(leaves)
        return loss.item(), torch.autograd.grad(loss, leaves)

    for mine, his, third in zip(
        ours(parameters)[1], theirs(parameters)[1], other()[1], strict=True
    ):
        np.testing.assert_allclose(mine, his, atol=1e-12)
        np.testing.assert_allclose(mine, third.numpy(), atol=1e-12)
    return {
        "ours": lambda: ours(parameters),
        "autograd": lambda: theirs(parameters),
        "torch": other,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="timings of each")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    gc.freeze()  # or every full collection walks through all that was imported

    print("Gradient of a chain of 1,000 small operations, time per operation")
    small = [
        report(label, interleaved(chains(x), rounds), 1e-6 * OPERATIONS, "µs")
        for label, x in (("  a scalar", 0.3), ("  a vector of 10", np.ones(10)))
    ]

    print("Value and gradient of Bengio's network, batch of 100")
    for vocabulary in (250, 5000):
        times = interleaved(bengio(vocabulary), rounds)
        report(f"  vocabulary {vocabulary:,}", times, 1e-3, "ms")

    print("Length of the graph (chain on a vector of 10), time per operation")
    for length in (100, 1000, 10_000, 100_000):
        few = max(5, rounds // 3) if length > 1000 else rounds
        times = interleaved(chains(np.ones(10), length), few)
        report(f"  {length:,} operations", times, 1e-6 * length, "µs")

    print(
        f"autograd's time per small operation over ours: speed_ratio={min(small):.2f}"
    )


if __name__ == "__main__":
    main()
