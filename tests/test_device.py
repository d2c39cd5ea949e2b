import random

import numpy as np
import pytest
import torch

from helpers.device import get_device, seed_everything, torch_threads


def _draws(generator):
    return (
        random.random(),
        float(np.random.random()),
        float(torch.rand(())),
        float(generator.random()),
    )


def test_a_seed_repeats_every_generator():
    first = _draws(seed_everything(3))
    assert _draws(seed_everything(3)) == first
    assert not set(_draws(seed_everything(4))) & set(first)


def test_the_device_can_be_used():
    device = get_device()
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert torch.ones(2, device=device).sum().item() == 2


def test_threads_are_restored_even_after_an_error():
    before = torch.get_num_threads()
    inside = []

    def fails():
        with torch_threads(before + 1):
            inside.append(torch.get_num_threads())
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails()
    assert inside == [before + 1]
    assert torch.get_num_threads() == before
