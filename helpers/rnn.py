"""Recurrent layers from their equations: the vanilla RNN, the LSTM and the GRU.

A layer's weights have the names and the layout of `torch.nn`'s, so that the state of an
`nn.LSTM` loads into `Recurrent("lstm", …)` as it is, and both then compute the same.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Cell = Literal["rnn", "lstm", "gru"]
State = tuple[Tensor, ...]


class Weights(NamedTuple):
    """One layer in one direction, with G gates (RNN 1, GRU 3, LSTM 4).

    Attributes:
        ih: (G hidden, input), applied to the input.
        hh: (G hidden, hidden), applied to the state before.
        b_ih: (G hidden,).
        b_hh: (G hidden,).
    """

    ih: Tensor
    hh: Tensor
    b_ih: Tensor
    b_hh: Tensor


def rnn_step(a: Tensor, state: State, w: Weights) -> State:
    """One step of Elman's network (1990): h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        a: (batch, hidden), the input's share W_ih x + b_ih, which needs no state and
            is computed for all times at once.
        state: (h,), (batch, hidden).
        w: the layer's weights.
    """
    (h,) = state
    return (torch.tanh(a + h @ w.hh.T + w.b_hh),)


def lstm_step(a: Tensor, state: State, w: Weights) -> State:
    """One step of the LSTM with forget gates (Gers et al. 2000, eqs. 3-8).

    Input, forget and output gates i, f, o in (0, 1) and the candidate g:
    c' = f c + i g and h' = o tanh(c').

    Args:
        a: (batch, 4 hidden), W_ih x + b_ih for i, f, g, o one after another.
        state: (h, c), each (batch, hidden).
        w: the layer's weights.
    """
    h, c = state
    i, f, g, o = (a + h @ w.hh.T + w.b_hh).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(a: Tensor, state: State, w: Weights) -> State:
    """One step of the GRU (Cho et al. 2014, eqs. 5-8).

    Reset and update gates r, z and the candidate n: h' = (1 - z) n + z h. As in
    `nn.GRU`, the reset gate acts on W_hn h + b_hn, after the product; Cho et al. apply
    it to h before.

    Args:
        a: (batch, 3 hidden), W_ih x + b_ih for r, z, n one after another.
        state: (h,), (batch, hidden).
        w: the layer's weights.
    """
    (h,) = state
    a_r, a_z, a_n = a.chunk(3, dim=-1)
    b_r, b_z, b_n = (h @ w.hh.T + w.b_hh).chunk(3, dim=-1)
    r, z = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z)
    n = torch.tanh(a_n + r * b_n)
    return ((1 - z) * n + z * h,)


_STEPS: dict[str, tuple[Callable[[Tensor, State, Weights], State], int, int]] = {
    "rnn": (rnn_step, 1, 1),
    "lstm": (lstm_step, 4, 2),
    "gru": (gru_step, 3, 1),
}  # cell → step, gates, tensors in the state


def run_layer(cell: Cell, x: Tensor, state: State, w: Weights) -> tuple[Tensor, State]:
    """Apply one step again and again, from the first input to the last.

    Args:
        x: (time, batch, input).
        state: before the first step; each tensor (batch, hidden).

    Returns:
        (time, batch, hidden), h after each step; and the last state.
    """
    step = _STEPS[cell][0]
    outputs = []
    for a in x @ w.ih.T + w.b_ih:
        state = step(a, state, w)
        outputs.append(state[0])
    return torch.stack(outputs), state


class Recurrent(nn.Module):
    """One or more recurrent layers, in one or both directions, like `nn.LSTM`.

    Layer k reads the outputs of layer k - 1. A bidirectional layer runs a second set of
    weights from the last input to the first and joins both outputs, so that each output
    knows the whole input; a language model that predicts the next word must not use it.

    Weights start uniform in ±1/√hidden, as in torch.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        layers: int = 1,
        bidirectional: bool = False,
    ):
        """Raises ValueError if the cell is not "rnn", "lstm" or "gru"."""
        super().__init__()
        if cell not in _STEPS:
            raise ValueError(f"cell {cell!r}: choose one of {', '.join(_STEPS)}")
        self.cell, self.hidden_size, self.layers = cell, hidden_size, layers
        self.directions = ("", "_reverse") if bidirectional else ("",)
        rows = _STEPS[cell][1] * hidden_size
        for layer in range(layers):
            width = hidden_size * len(self.directions) if layer else input_size
            shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for direction in self.directions:
                for name, shape in shapes.items():
                    weight = torch.empty(shape).uniform_(-1, 1) / math.sqrt(hidden_size)
                    name = f"{name}_l{layer}{direction}"
                    self.register_parameter(name, nn.Parameter(weight))

    def weights(self, layer: int, direction: str = "") -> Weights:
        """The weights of one layer; `direction` is "" or "_reverse"."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return Weights(*(getattr(self, f"{k}_l{layer}{direction}") for k in kinds))

    def initial_state(self, batch: int) -> State:
        """Zeros: as many (layers · directions, batch, hidden) as the cell has."""
        like = self.weight_hh_l0
        rows = self.layers * len(self.directions)
        zeros = like.new_zeros(rows, batch, self.hidden_size)
        return (zeros,) * _STEPS[self.cell][2]

    def forward(
        self, x: Tensor, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """Read whole sequences.

        Args:
            x: (time, batch, input).
            state: (h,), for the LSTM (h, c), each (layers · directions, batch, hidden);
                zeros by default.

        Returns:
            (time, batch, directions · hidden), the last layer's h after each step, and
            the state after the last step (of a reverse direction: after the first).
        """
        state = self.initial_state(x.shape[1]) if state is None else tuple(state)
        last = []
        for layer in range(self.layers):
            outputs = []
            for direction in self.directions:
                row = layer * len(self.directions) + len(outputs)
                before = tuple(s[row] for s in state)
                seen = x.flip(0) if direction else x
                w = self.weights(layer, direction)
                output, after = run_layer(self.cell, seen, before, w)
                outputs.append(output.flip(0) if direction else output)
                last.append(after)
            x = torch.cat(outputs, dim=-1)
        return x, tuple(map(torch.stack, zip(*last, strict=True)))
