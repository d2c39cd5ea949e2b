"""GloVe: word vectors whose dot products are the logarithms of co-occurrence counts.

Pennington, Socher & Manning 2014, "GloVe: Global Vectors for Word Representation",
EMNLP. Each word i has an input vector r_i and bias b_i, and an output vector r~_i and
bias b~_i. With x the counts (`helpers.counts.cooccurrence`), the loss is their eq. 8,

    e_ij = r_i . r~_j + b_i + b~_j - log x_ij
    J    = sum of f(x_ij) e_ij^2 over all x_ij > 0
    f(x) = min(1, (x / x_max)^power)                                        (eq. 9)

and with F = 2 f e, a sparse matrix of the shape of x, its gradients are

    dJ/dr = F r~        dJ/dr~ = F^T r        dJ/db = F 1        dJ/db~ = F^T 1

So the work is three products that touch the non-zeros only. They are taken tile by
tile. The words are dealt out to blocks, like cards, and a tile holds the counts of one
block's words beside another's. Its vectors fit in a processor's cache, where the
products are fastest. After each tile its vectors take one step of AdaGrad (Duchi,
Hazan & Singer 2011, JMLR 12, fig. 1, diagonal). Tiles without a common block of rows
or columns are independent, so threads take several at once (Gemulla et al. 2011,
"Large-scale matrix factorization with distributed stochastic gradient descent", KDD),
and the result does not depend on how many.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn.functional import embedding_bag
from tqdm import tqdm

from helpers.device import torch_threads
from helpers.text import Vocabulary
from helpers.vectors import WordVectors

BLOCKS = 16  # at least: each vector takes as many steps in an epoch
BLOCK_WORDS = 4096  # at most: two blocks of vectors stay in a core's cache
START_SQUARES = 10.0  # sum of squared gradients to start from: small ones, small steps


@dataclass(frozen=True)
class GloVe:
    """A trained (or half-trained) model.

    Attributes:
        vocabulary: the V words.
        inputs: (V, d) float32, r.
        outputs: (V, d) float32, r~.
        input_biases: (V,) float32, b.
        output_biases: (V,) float32, b~.
        losses: J of each epoch so far, summed up while the vectors moved.
    """

    vocabulary: Vocabulary
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    input_biases: NDArray[np.float32]
    output_biases: NDArray[np.float32]
    losses: list[float]

    @property
    def vectors(self) -> WordVectors:
        """The sums r + r~, which the authors use (section 4.2)."""
        return WordVectors(self.vocabulary.words, self.inputs + self.outputs)


def train_glove(
    counts: sparse.csr_array,
    vocabulary: Vocabulary,
    *,
    seed: int,
    dim: int = 100,
    epochs: int = 15,
    learning_rate: float = 0.2,
    x_max: float = 100,
    power: float = 0.75,
    threads: int = 2,
    device: torch.device | str = "cpu",
    callback: Callable[[float, GloVe], None] | None = None,
) -> GloVe:
    """Train word vectors on co-occurrence counts.

    On a CPU the same seed gives the same bits on one machine, with any number of
    threads. Memory: about 30 bytes for each non-zero.

    Args:
        counts: (V, V), above 0 where they are stored.
        vocabulary: the V words, best by descending count.
        seed: of the first vectors and of the order of tiles.
        dim: d, length of the vectors.
        epochs: passes over the non-zeros.
        learning_rate: of AdaGrad. The authors' 0.05 is for steps on single counts.
        x_max: the count from which on all weigh 1.
        power: how fast the weight falls below it.
        threads: how many tiles are worked on at once.
        device: where the vectors live; see `device.get_device`.
        callback: called before the start and after each epoch as
            `callback(done, model)`, with done from 0 to 1 and a copy of the vectors.

    Raises:
        ValueError: for counts that don't fit the vocabulary or have no logarithm, or a
            setting out of range.
    """
    _check_counts(counts, vocabulary)
    for name, value in {"dim": dim, "epochs": epochs, "threads": threads}.items():
        if value < 1:
            raise ValueError(f"{name} = {value}, but it must be at least 1")
    if x_max <= 0 or learning_rate < 0:
        raise ValueError(
            f"x_max = {x_max} and learning_rate = {learning_rate}; the first must be "
            "above 0, the second not below"
        )

    rng = np.random.default_rng(seed)
    blocks = max(BLOCKS, -(-len(vocabulary) // BLOCK_WORDS))
    tiles = _cut(counts, blocks, x_max, power, torch.device(device))
    learner = _Learner(vocabulary, dim, blocks, rng, torch.device(device))

    def train_tile(place: tuple[int, int]) -> Tensor:
        return learner.step(*place, tiles[place], learning_rate)

    bar = tqdm(
        total=epochs * counts.nnz, unit=" non-zeros", unit_scale=True, desc="GloVe"
    )
    with bar, torch_threads(1), ThreadPoolExecutor(threads) as pool:
        if callback:
            callback(0.0, learner.snapshot())
        for epoch in range(1, epochs + 1):
            loss = 0.0
            for places in _disjoint(blocks, rng):
                loss += sum(loss.item() for loss in pool.map(train_tile, places))
                bar.update(sum(len(tiles[place].weights) for place in places))
            learner.losses.append(loss)
            if callback:
                callback(epoch / epochs, learner.snapshot())
    return learner.snapshot()


def _check_counts(counts: sparse.csr_array, vocabulary: Vocabulary) -> None:
    """Raise ValueError for counts that GloVe can't use."""
    size = len(vocabulary)
    if counts.shape != (size, size):
        raise ValueError(
            f"counts of shape {counts.shape} for {size:,} words: give a row and a "
            "column for each word of the vocabulary"
        )
    if counts.nnz == 0 or not (np.isfinite(counts.data) & (counts.data > 0)).all():
        raise ValueError(
            "each stored count must be above 0, for its logarithm, and there must be "
            "some: counts.eliminate_zeros() drops stored zeros"
        )


@dataclass(frozen=True)
class Tile:
    """The counts of n words (rows) beside m words (columns), ready for the products.

    Attributes:
        log_counts: (n, m) torch CSR, log x at the non-zeros.
        weights: (nnz,) f(x), in the order of log_counts.
        by_column: (nnz,) int32, the place in `weights` of each non-zero, by column.
        rows: (nnz,) int32, its row, by column.
        column_starts: (m + 1,) int32, where each column begins in these two.
    """

    log_counts: Tensor
    weights: Tensor
    by_column: Tensor
    rows: Tensor
    column_starts: Tensor

    @classmethod
    def from_counts(
        cls,
        counts: sparse.csr_array,
        x_max: float,
        power: float,
        device: torch.device | str = "cpu",
    ) -> "Tile":
        """Take logarithms and weights of counts (n, m), which are floats above 0.

        Both keep the dtype of the counts; `train_glove` says what the rest means.
        """
        place = np.arange(counts.nnz, dtype=np.int32)
        by_column = sparse.csr_array(
            (place, counts.indices, counts.indptr), shape=counts.shape
        ).tocsc()
        weights = np.minimum(1, (counts.data / x_max) ** power).astype(counts.dtype)

        def move(array: NDArray) -> Tensor:
            return torch.from_numpy(array).to(device)

        def move_indices(array: NDArray) -> Tensor:
            return move(array.astype(np.int32))

        with warnings.catch_warnings():  # torch calls its CSR "beta"
            warnings.filterwarnings("ignore", "Sparse CSR", UserWarning)
            log_counts = torch.sparse_csr_tensor(
                move_indices(counts.indptr),
                move_indices(counts.indices),
                move(np.log(counts.data)),
                counts.shape,
                check_invariants=False,
            )
        return cls(
            log_counts,
            move(weights),
            move(by_column.data),
            move_indices(by_column.indices),
            move_indices(by_column.indptr),
        )

    def gradients(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return J and dJ/d rows, dJ/d columns of `rows @ columns.T` ~ log counts.

        Args:
            rows: (n, D) the row words' vectors; biases are columns of them.
            columns: (m, D) the column words' vectors.
        """
        log_counts = self.log_counts
        errors = torch.sparse.sampled_addmm(log_counts, rows, columns.T, beta=-1)
        errors = errors.values()  # e, (nnz,)
        slopes = self.weights * errors
        loss = slopes @ errors
        slopes *= 2  # F
        grad_rows = _weighted_sums(
            slopes, log_counts.col_indices(), log_counts.crow_indices(), columns
        )
        grad_columns = _weighted_sums(
            slopes[self.by_column], self.rows, self.column_starts, rows
        )
        return loss, grad_rows, grad_columns


def _weighted_sums(
    weights: Tensor, indices: Tensor, starts: Tensor, vectors: Tensor
) -> Tensor:
    """Multiply a sparse matrix, given by its rows, by a dense one."""
    return embedding_bag(
        indices,
        vectors,
        starts,
        mode="sum",
        per_sample_weights=weights,
        include_last_offset=True,
    )


def _cut(
    counts: sparse.csr_array,
    blocks: int,
    x_max: float,
    power: float,
    device: torch.device,
) -> dict[tuple[int, int], Tile]:
    """Cut the counts into tiles; block k holds the words k, k + blocks, ..."""
    tiles = {}
    for i in range(blocks):
        band = counts[i::blocks].astype(np.float32).tocsc()
        for j in range(blocks):
            part = band[:, j::blocks].tocsr()
            tiles[i, j] = Tile.from_counts(part, x_max, power, device)
    return tiles


def _disjoint(blocks: int, rng: np.random.Generator) -> Iterator[list[tuple[int, int]]]:
    """Yield all tiles once, in random order, as groups that share no block."""
    columns = rng.permutation(blocks)
    for shift in rng.permutation(blocks):
        yield list(enumerate(np.roll(columns, shift).tolist()))


@dataclass(frozen=True)
class _Block:
    """Vectors of some words, and AdaGrad's sums of their squared gradients, (n, D)."""

    vectors: Tensor
    squares: Tensor
    ones: int  # the column that never moves

    @classmethod
    def at(cls, vectors: Tensor, ones: int) -> "_Block":
        """Start from these vectors."""
        return cls(vectors, torch.full_like(vectors, START_SQUARES), ones)

    def step(self, gradient: Tensor, rate: float) -> None:
        """Take one step of AdaGrad down the gradient (n, D)."""
        gradient[:, self.ones] = 0
        self.squares.addcmul_(gradient, gradient)
        self.vectors.addcdiv_(gradient, self.squares.sqrt(), value=-rate)


class _Learner:
    """The vectors being trained, and the steps they take.

    Inputs have rows (r, b, 1) and outputs rows (r~, 1, b~), so that their dot product
    is r . r~ + b + b~.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        dim: int,
        blocks: int,
        rng: np.random.Generator,
        device: torch.device,
    ):
        self.vocabulary, self.dim, self.blocks = vocabulary, dim, blocks
        self.losses: list[float] = []
        size = len(vocabulary)

        def deal_out(ones: int) -> list[_Block]:
            start = np.zeros((size, dim + 2), dtype=np.float32)
            start[:, :dim] = (rng.random((size, dim)) - 0.5) / dim**0.5
            start[:, ones] = 1
            return [
                _Block.at(torch.tensor(start[k::blocks], device=device), ones)
                for k in range(blocks)
            ]

        self.inputs, self.outputs = deal_out(dim + 1), deal_out(dim)

    def step(self, i: int, j: int, tile: Tile, rate: float) -> Tensor:
        """Move the vectors of one tile down their gradients; return its J."""
        rows, columns = self.inputs[i], self.outputs[j]
        loss, grad_rows, grad_columns = tile.gradients(rows.vectors, columns.vectors)
        rows.step(grad_rows, rate)
        columns.step(grad_columns, rate)
        return loss

    def snapshot(self) -> GloVe:
        """Copy the vectors as they are now."""
        inputs, outputs = self._collect(self.inputs), self._collect(self.outputs)
        d = self.dim
        return GloVe(
            self.vocabulary,
            inputs[:, :d].copy(),
            outputs[:, :d].copy(),
            inputs[:, d].copy(),
            outputs[:, d + 1].copy(),
            self.losses.copy(),
        )

    def _collect(self, blocks: list[_Block]) -> NDArray[np.float32]:
        whole = np.empty((len(self.vocabulary), self.dim + 2), dtype=np.float32)
        for k, block in enumerate(blocks):
            whole[k :: self.blocks] = block.vectors.cpu().numpy()
        return whole
