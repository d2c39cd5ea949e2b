"""Recurrent layers against torch's own."""

import pytest
import torch
from torch import nn

from helpers.rnn import Recurrent

PEERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def pair(cell, layers, bidirectional, dtype=torch.float64):
    torch.manual_seed(0)
    peer = PEERS[cell](3, 5, layers, bidirectional=bidirectional).to(dtype)
    ours = Recurrent(cell, 3, 5, layers, bidirectional).to(dtype)
    ours.load_state_dict(peer.state_dict())
    return ours, peer


@pytest.mark.parametrize("cell", PEERS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
class TestAgainstTorch:
    def test_outputs_states_and_gradients(self, cell, layers, bidirectional):
        ours, peer = pair(cell, layers, bidirectional)
        x = torch.randn(7, 4, 3, dtype=torch.float64)
        rows = layers * (2 if bidirectional else 1)
        n_states = 2 if cell == "lstm" else 1
        state = tuple(
            torch.randn(rows, 4, 5, dtype=torch.float64) for _ in range(n_states)
        )
        out, last = ours(x, state)
        expected, end = peer(x, state if cell == "lstm" else state[0])
        assert out.shape == expected.shape == (7, 4, 10 if bidirectional else 5)
        torch.testing.assert_close(out, expected)
        end = end if cell == "lstm" else (end,)
        assert len(last) == len(end)
        for a, b in zip(last, end, strict=True):
            assert a.shape == b.shape
            torch.testing.assert_close(a, b)
        g = torch.randn_like(out)
        (out * g).sum().backward()
        (expected * g).sum().backward()
        theirs = dict(peer.named_parameters())
        for name, weight in ours.named_parameters():
            torch.testing.assert_close(weight.grad, theirs[name].grad)

    def test_state_is_zero_by_default(self, cell, layers, bidirectional):
        ours, peer = pair(cell, layers, bidirectional)
        x = torch.randn(3, 2, 3, dtype=torch.float64)
        torch.testing.assert_close(ours(x)[0], peer(x)[0])


def test_a_text_in_two_parts_with_carried_state_is_the_text_in_one():
    ours, _ = pair("lstm", 2, False)
    x = torch.randn(9, 2, 3, dtype=torch.float64)
    whole, _ = ours(x)
    first, state = ours(x[:4])
    second, _ = ours(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_the_start_is_torchs():
    ours = Recurrent("gru", 30, 16)
    weight = ours.weight_ih_l0
    assert weight.abs().max() <= 1 / 4
    assert weight.abs().max() > 0.24
    assert abs(weight.mean()) < 0.02


def test_unknown_cell():
    with pytest.raises(ValueError, match=r"'elman'.*rnn, lstm, gru"):
        Recurrent("elman", 3, 5)
