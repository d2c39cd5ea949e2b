"""Where the work runs, and how to make it come out the same twice.

A seed fixes every random draw. On one machine, with one thread and the same
library versions, the same seed then gives the same bits. Another processor, a
GPU, or several threads sum in another order: their results agree in what a
lecture claims (rounded scores, nearest words), not in the last digit.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def get_device() -> torch.device:
    """Return the GPU if torch can use one through CUDA, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, NumPy and torch (CPU and GPU).

    The global generators are seeded for libraries that draw from them; code of
    one's own should draw from the generator that is returned.

    Args:
        seed: 0 ≤ seed < 2**32.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Let each torch operation use n CPU threads inside the block.

    One thread for each is right when the program brings threads of its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
