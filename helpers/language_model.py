"""Neural language models of words: Bengio's feed-forward network and recurrent ones.

    model = RecurrentLanguageModel(V, 200, dropout=Dropout(inputs=0.2, outputs=0.2))
    objective = Objective(counts, n_samples=1024, seed=0)
    columns = in_columns(train_ids, 32)
    train(model, lambda epoch: recurrent_losses(model, columns, objective), …)
    recurrent_log_probabilities(model, test_ids, start=eos)  # (n,), one number a token

All predict each token of a stream of word ids from those before it (see `lm_text`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from helpers.rnn import Cell, Recurrent, State
from helpers.softmax import sampled_softmax_loss, softmax_loss

_FUSED = {"rnn": torch.rnn_tanh, "lstm": torch.lstm, "gru": torch.gru}


@dataclass(frozen=True)
class Dropout:
    """Which parts of a recurrent model are dropped in training, with what probability.

    What stays is divided by the probability of staying ("inverted" scaling), so that
    nothing needs scaling when the model is used.

    Attributes:
        words: a word type's whole vector, in the batch (Gal & Ghahramani 2016, eq. 4).
        inputs: units of what enters a layer.
        outputs: units of what leaves the last layer.
        recurrent: single weights of W_hh (Merity et al. 2018, section 3).
        variational: one mask for all times (Gal & Ghahramani 2016), else a new one at
            each time. For `inputs` and `outputs`.
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    recurrent: float = 0.0
    variational: bool = True


def drop_units(x: Tensor, p: float, variational: bool) -> Tensor:
    """Drop units of x (time, batch, d) with probability p, inverted scaling."""
    mask = x.new_empty((1, *x.shape[1:]) if variational else x.shape)
    return x * mask.bernoulli_(1 - p).div_(1 - p)


class RecurrentLanguageModel(nn.Module):
    """p(word | all words before), from the state of a recurrent network.

    With tied embeddings (Press & Wolf 2017; Inan et al. 2017) one table serves to read
    words and to score them; without, the model has two.

    Attributes:
        inputs: (V, d), the vectors that words enter with.
        outputs: (V, d), those that score them; `inputs` itself if tied.
        bias: (V, 1).
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        *,
        cell: Cell = "lstm",
        layers: int = 1,
        tied: bool = True,
        dropout: Dropout | None = None,
    ):
        super().__init__()
        self.dropout = dropout or Dropout()
        self.inputs = nn.Parameter(torch.empty(vocabulary_size, dim))
        self.outputs = (
            self.inputs if tied else nn.Parameter(torch.empty(vocabulary_size, dim))
        )
        for table in {self.inputs, self.outputs}:
            nn.init.uniform_(table, -0.1, 0.1)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size, 1))
        self.layers = nn.ModuleList([Recurrent(cell, dim, dim) for _ in range(layers)])
        if cell == "lstm":
            for layer in self.layers:  # remember by default (Jozefowicz et al. 2015)
                layer.bias_ih_l0.data[dim : 2 * dim] = 1.0

    def initial_state(self, batch: int) -> list[State]:
        """Zeros for every layer."""
        return [layer.initial_state(batch) for layer in self.layers]

    def forward(
        self, words: Tensor, state: list[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Read words.

        Args:
            words: (time, batch) int64 ids.
            state: of each layer, from the call before; zeros by default.

        Returns:
            (time, batch, d), whose product with `outputs` plus `bias` scores the next
            word; and the state for the next call.
        """
        state = self.initial_state(words.shape[1]) if state is None else state
        drop = self.dropout
        x = F.embedding(words, self.inputs, sparse=True)  # (time, batch, d)
        if self.training and drop.words:
            kept = torch.rand(len(self.inputs), device=words.device) >= drop.words
            x = x * kept[words][..., None] / (1 - drop.words)
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            if self.training and drop.inputs:
                x = drop_units(x, drop.inputs, drop.variational)
            x, last = self._run(layer, x, before)
            after.append(last)
        if self.training and drop.outputs:
            x = drop_units(x, drop.outputs, drop.variational)
        return x, after

    def _run(self, layer: Recurrent, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`layer(x, state)`, by torch's fused kernel: the same numbers, sooner."""
        w = layer.weights(0)
        w_hh = F.dropout(w.hh, self.dropout.recurrent, self.training)
        weights = [w.ih, w_hh, w.b_ih, w.b_hh]
        start = state if layer.cell == "lstm" else state[0]
        fused = _FUSED[layer.cell]
        x, *last = fused(x, start, weights, True, 1, 0.0, False, False, False)
        return x, tuple(last)


class FeedForwardLanguageModel(nn.Module):
    """p(word | the n words before) by Bengio et al. (2003).

    Their eq. 1 scores all words by y = b + W x + U tanh(d + H x), where x joins the
    vectors of the n context words; W is the skip-layer connection from x to the scores.
    Here scores are products with the output vectors E, that is W = E A and U = E B: of
    rank dim, so that a large vocabulary stays cheap.

    Attributes:
        inputs: (V, dim), the vectors C(w) of context words.
        outputs: (V, dim), E; bias: (V, 1), b.
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        hidden_size: int,
        context: int,
        *,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.context = context
        self.inputs = nn.Parameter(torch.empty(vocabulary_size, dim))
        self.outputs = nn.Parameter(torch.empty(vocabulary_size, dim))
        nn.init.uniform_(self.inputs, -0.1, 0.1)
        nn.init.uniform_(self.outputs, -0.1, 0.1)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size, 1))
        self.hidden = nn.Linear(context * dim, hidden_size)
        self.skip = nn.Linear(context * dim, dim, bias=False)
        self.last = nn.Linear(hidden_size, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, contexts: Tensor) -> Tensor:
        """Read contexts.

        Args:
            contexts: (batch, n) int64 ids, oldest word first.

        Returns:
            (batch, dim), whose product with `outputs` plus `bias` scores the next word.
        """
        x = F.embedding(contexts, self.inputs, sparse=True).flatten(1)
        x = self.dropout(x)
        return self.dropout(self.skip(x) + self.last(torch.tanh(self.hidden(x))))


class Objective:
    """The loss in training: exact, or over a sample of the vocabulary.

    Args:
        counts: (V,) of the training text. Noise words are drawn with probability
            proportional to (count + 1)^0.75.
        n_samples: noise words a batch; None for the exact softmax.
        seed: of the draws.
        device: the model's.
    """

    def __init__(
        self,
        counts: NDArray[np.integer],
        n_samples: int | None,
        *,
        seed: int,
        device: torch.device | str = "cpu",
    ):
        noise = torch.as_tensor(counts, dtype=torch.float32, device=device) + 1
        self.noise = noise.pow(0.75)
        self.noise /= self.noise.sum()
        self.n_samples = n_samples
        self.generator = Generator(device).manual_seed(seed)

    def __call__(
        self,
        hidden: Tensor,
        targets: Tensor,
        model: RecurrentLanguageModel | FeedForwardLanguageModel,
    ) -> Tensor:
        """Mean loss of predicting targets (n,) from hidden (n, d), in nats."""
        if self.n_samples is None:
            return softmax_loss(hidden, targets, model.outputs, model.bias.squeeze(1))
        return sampled_softmax_loss(
            hidden,
            targets,
            model.outputs,
            model.bias,
            self.noise,
            self.n_samples,
            generator=self.generator,
        )


def in_columns(ids: NDArray[np.integer], batch: int) -> Tensor:
    """Cut a text into `batch` columns of equal length that are read side by side.

    Returns:
        (time, batch) int64. The last len(ids) % batch tokens are left out.
    """
    time = len(ids) // batch
    return torch.as_tensor(ids[: time * batch]).long().reshape(batch, time).T


def recurrent_losses(
    model: RecurrentLanguageModel,
    columns: Tensor,
    objective: Objective,
    *,
    k1: int = 35,
    k2: int | None = None,
    carry: bool = True,
    zero: float = 0.0,
    generator: Generator | None = None,
) -> Iterator[Tensor]:
    """One pass of truncated back-propagation through time (Williams & Peng 1990).

    After every k1 new words comes an update whose gradient goes back k2 words.

    Args:
        columns: (time, batch), from `in_columns`, on the model's device.
        objective: of the hidden states and their targets.
        k1: new words between updates.
        k2: words that the gradient goes back, at least k1, and k1 by default. The words
            from k2 to k1 back are read a second time, and only their states count.
        carry: begin with the state that the words before left, else with zeros.
        zero: probability that a column begins an update with zeros even so
            (Melis et al. 2018, section 4).
        generator: decides that.

    Yields:
        The mean loss of the k1 new words, in nats.

    Raises:
        ValueError: if k2 < k1.
    """
    k2 = k2 or k1
    if k2 < k1:
        raise ValueError(f"k2 = {k2} is less than k1 = {k1}: no gradient would go back")
    state = model.initial_state(columns.shape[1])
    begin = 0  # of the words that an update reads; those from `new` on are new
    for new in range(0, len(columns) - 1, k1):
        end = min(new + k1, len(columns) - 1)
        if not carry:
            state = model.initial_state(columns.shape[1])
        if zero:
            draws = torch.rand(columns.shape[1], generator=generator)
            kept = (draws >= zero)[None, :, None].to(columns.device)
            state = [tuple(s * kept for s in layer) for layer in state]
        # The next update will begin to read at `later`, from the state there.
        later, middle, parts = max(0, end + k1 - k2), state, []
        if later > begin:
            hidden, middle = model(columns[begin:later], state)
            parts.append(hidden)
        if end > later:
            parts.append(model(columns[later:end], middle)[0])
        hidden = torch.cat(parts)[new - begin :].flatten(0, 1)
        yield objective(hidden, columns[new + 1 : end + 1].flatten(), model)
        state = [tuple(s.detach() for s in layer) for layer in middle]
        begin = later


def feedforward_losses(
    model: FeedForwardLanguageModel,
    ids: NDArray[np.integer],
    objective: Objective,
    *,
    start: int,
    batch_size: int = 1024,
    generator: Generator,
) -> Iterator[Tensor]:
    """One pass over all tokens in random order.

    Args:
        ids: (N,) the text.
        objective: of the hidden states and their targets.
        start: the word that fills contexts before the text begins, usually "<eos>".
        generator: decides the order.

    Yields:
        The mean loss of a batch, in nats.
    """
    device = model.inputs.device
    contexts, targets = _windows(ids, model.context, start, device)
    for batch in torch.randperm(len(targets), generator=generator).split(batch_size):
        batch = batch.to(device)
        yield objective(model(contexts[batch]), targets[batch], model)


@torch.no_grad()
def recurrent_log_probabilities(
    model: RecurrentLanguageModel,
    ids: NDArray[np.integer],
    *,
    start: int,
    batch: int = 32,
    steps: int = 32,
) -> NDArray[np.float64]:
    """log p(token | all before) for each token of a text, in nats.

    The text is cut into `batch` columns that are read side by side, so its first words
    and those of each column have no past; `batch=1` avoids that, and is slow.

    Args:
        ids: (N,) the text.
        start: the word before a column, usually "<eos>".
        batch: number of columns.
        steps: words read at once; 4 V · batch · steps bytes for their scores.

    Returns:
        (N,) float64.
    """
    model.eval()
    time = math.ceil(len(ids) / batch)
    padded = np.full(time * batch, start, dtype=np.int64)
    padded[: len(ids)] = ids
    targets = torch.from_numpy(padded).reshape(batch, time).T.to(model.inputs.device)
    inputs = torch.cat([torch.full_like(targets[:1], start), targets[:-1]])
    state, parts = None, []
    for words, after in zip(inputs.split(steps), targets.split(steps), strict=True):
        hidden, state = model(words, state)
        parts.append(
            _scored(model, hidden.flatten(0, 1), after.flatten()).view_as(after)
        )
    return torch.cat(parts).T.flatten()[: len(ids)].double().cpu().numpy()


@torch.no_grad()
def feedforward_log_probabilities(
    model: FeedForwardLanguageModel,
    ids: NDArray[np.integer],
    *,
    start: int,
    batch_size: int = 1024,
) -> NDArray[np.float64]:
    """log p(token | the n before) for each token of a text (N,), in nats, float64."""
    model.eval()
    contexts, targets = _windows(ids, model.context, start, model.inputs.device)
    pairs = zip(contexts.split(batch_size), targets.split(batch_size), strict=True)
    parts = [_scored(model, model(x), target) for x, target in pairs]
    return torch.cat(parts).double().cpu().numpy()


def _windows(
    ids: NDArray[np.integer], n: int, start: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Contexts (N, n), views of the text, and targets (N,)."""
    text = torch.as_tensor(ids, device=device).long()
    padded = torch.cat([text.new_full((n,), start), text])
    return padded[:-1].unfold(0, n, 1), text


def _scored(
    model: RecurrentLanguageModel | FeedForwardLanguageModel,
    hidden: Tensor,
    targets: Tensor,
) -> Tensor:
    """log softmax of the scores at the targets: (n, d), (n,) -> (n,)."""
    scores = F.linear(hidden, model.outputs, model.bias.squeeze(1))
    return -F.cross_entropy(scores, targets, reduction="none")
