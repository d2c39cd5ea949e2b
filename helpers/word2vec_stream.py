"""A corpus as word2vec reads it: thinned out, windowed, in chunks ready to multiply.

`helpers.word2vec` explains chunks, batches and weights.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import embedding

from helpers.np_word2vec import keep_probability, noise_distribution
from helpers.text import Corpus, reach_within_documents

CHUNK = 32  # T, centers that share noise words
MIN_NOISE = 22  # K, noise words they share, at the least
PAIRS_PER_NOISE = 44  # and at most so many pairs of a chunk for each of them
CHUNKS_PER_BATCH = 16
BLOCK = 100_000  # words that a thread prepares at a time
NOISE_TABLE = 1 << 21  # places shared out among the words by noise probability

Model = Literal["skipgram", "cbow"]


class Batch(NamedTuple):
    """G chunks ready to be multiplied; all tensors on one device.

    Attributes:
        inputs: (G, n_in) int64 words given: the centers, or the stretch of text that
            covers all their windows (CBOW).
        outputs: (G, n_out) int64 words predicted, then the noise words.
        mean: (G, T, n_in), row t averages center t's window (CBOW); None for skip-gram.
        weights: (G, T, n_out), how much each (center, output) pair counts.
        n_positive: the first columns of `outputs`, which are true words, not noise.
    """

    inputs: Tensor
    outputs: Tensor
    mean: Tensor | None
    weights: Tensor
    n_positive: int


class Stream:
    """Blocks of a corpus, each cut anew into batches whenever it is read.

    Attributes:
        block_starts: (B + 1,) block b is the words from block_starts[b] to
            block_starts[b + 1]: whole documents.
        keep: (V,) float32, chance of each word to survive subsampling.
        noise: (V,) probability of each word as noise.
        n_noise: K. A noise word takes part in many pairs of its chunk at once, and its
            steps overshoot together; wider windows and more negatives need more words.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: Model,
        window: int,
        negatives: int | None,
        sample: float,
        seed: int,
        device: torch.device,
    ):
        """Arguments as in `word2vec.train_word2vec`."""
        self.corpus, self.model, self.window = corpus, model, window
        self.negatives, self.seed, self.device = negatives, seed, device
        counts = corpus.vocabulary.counts
        self.keep = keep_probability(counts, sample).astype(np.float32)
        self.noise = noise_distribution(counts)
        places = (np.arange(NOISE_TABLE) + 0.5) / NOISE_TABLE
        table = np.searchsorted(self.noise.cumsum(), places)
        self._noise_table = table.clip(max=len(counts) - 1)
        even = np.searchsorted(corpus.starts, np.arange(0, len(corpus.ids), BLOCK))
        self._documents = np.unique([*even, len(corpus.starts) - 1])
        self.block_starts = corpus.starts[self._documents]
        per_center = window + 1 if model == "skipgram" else 1
        noise_pairs = CHUNK * per_center * (negatives or 0)
        self.n_noise = max(MIN_NOISE, math.ceil(noise_pairs / PAIRS_PER_NOISE))
        self._weights, self._mean = self._tables()

    def _tables(self) -> tuple[Tensor, Tensor | None]:
        """Rows of `Batch.weights` and `Batch.mean` for all cases of a center.

        A case is its place in the chunk and its reach to left and right; row number
        (place * (window + 1) + left) * (window + 1) + right.
        """
        reach, width = self.window + 1, CHUNK + 2 * self.window
        place, left, right, column = np.ogrid[:CHUNK, :reach, :reach, :width]
        offset = column - self.window - place
        inside = (-left <= offset) & (offset <= right) & (offset != 0)
        size = inside.sum(-1, keepdims=True)  # context words
        if self.model == "skipgram":
            positives, mean = inside, None
        else:
            positives = (column[..., :CHUNK] == place) & (size > 0)
            mean = self._rows(inside / size.clip(min=1))
        if self.negatives is None:
            return self._rows(positives), mean
        share = positives.sum(-1, keepdims=True) * self.negatives / self.n_noise
        noise = np.repeat(share, self.n_noise, axis=-1)
        return self._rows(np.concatenate([positives, noise], axis=-1)), mean

    def _rows(self, table: ArrayLike) -> Tensor:
        rows = np.reshape(table, (-1, np.shape(table)[-1])).astype(np.float32)
        return torch.from_numpy(rows).to(self.device)

    def batches(self, number: int) -> Iterator[Batch]:
        """Yield the batches of block `number`, counted on through the epochs.

        All draws come from the seed and the number, so that blocks may be read in any
        order and by several threads.
        """
        chunks = self._chunks(number)
        given, predicted, rows = (torch.from_numpy(c).to(self.device) for c in chunks)
        n_positive = CHUNK + 2 * self.window if self.model == "skipgram" else CHUNK
        for i in range(0, len(rows), CHUNKS_PER_BATCH):
            part = slice(i, i + CHUNKS_PER_BATCH)
            weights = embedding(rows[part], self._weights)
            mean = None if self._mean is None else embedding(rows[part], self._mean)
            yield Batch(given[part], predicted[part], mean, weights, n_positive)

    def _chunks(self, number: int) -> tuple[NDArray, NDArray, NDArray]:
        """Return words given, words predicted and rows of the tables, by chunk."""
        b, w = number % (len(self._documents) - 1), self.window
        rng = np.random.default_rng((self.seed, number))
        starts = self.corpus.starts[self._documents[b] : self._documents[b + 1] + 1]
        words = self.corpus.ids[starts[0] : starts[-1]]
        kept = rng.random(len(words), dtype=np.float32) < self.keep[words]
        words = words[kept]
        starts = np.concatenate([[0], kept.cumsum()])[starts - starts[0]]
        reach = rng.integers(1, w, size=len(words), endpoint=True)
        left, right = reach_within_documents(reach, starts)

        n = max(1, -(-len(words) // CHUNK))
        missing = n * CHUNK - len(words)  # filled with centers that have no context
        padded = np.pad(words.astype(np.int64), (w, missing + w))
        centers = padded[w:-w].reshape(n, CHUNK)
        stretches = sliding_window_view(padded, CHUNK + 2 * w)[::CHUNK].copy()
        place = np.arange(n * CHUNK) % CHUNK
        left, right = np.pad([left, right], ((0, 0), (0, missing)))
        rows = ((place * (w + 1) + left) * (w + 1) + right).reshape(n, CHUNK)

        skipgram = self.model == "skipgram"
        given, predicted = (centers, stretches) if skipgram else (stretches, centers)
        if self.negatives is not None:
            draws = rng.integers(NOISE_TABLE, size=(n, self.n_noise))
            predicted = np.concatenate([predicted, self._noise_table[draws]], axis=1)
        return given, predicted, rows
