"""word2vec at speed: skip-gram and CBOW as products of small matrices.

`helpers.np_word2vec` says what is computed, one center word at a time. Here the same
sums are taken for many centers at once. The text is cut into chunks of T consecutive
words, and the centers of a chunk share K noise words (Ji et al. 2016, arXiv
1604.04661), so that one small product scores each center against every word it needs:

    skip-gram  hidden = vectors of the centers (T, d)   outputs = window words, noise
    CBOW       hidden = means of the windows (T, d)     outputs = centers, noise

    scores = hidden @ outputs.T                                        (T, n_outputs)
    loss   = -sum(weights * (y log sigma(scores) + (1 - y) log sigma(-scores)))
    errors = weights * (sigma(scores) - y)             = d loss / d scores

`weights` says which pairs count: 1 for a center and a word of its window (y = 1);
negatives / K times the number of such pairs for each noise word (y = 0); else 0.

A batch is several chunks whose updates all start from the same vectors. A word with
many pairs in one batch would overshoot, so its step is shortened (`step_limits`).
Threads update the same vectors without locks (Hogwild, Niu et al. 2011, arXiv
1106.5730): two rarely touch one word at one moment, and little is lost when they do.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding
from tqdm import tqdm

from helpers.device import torch_threads
from helpers.text import Corpus, Vocabulary
from helpers.vectors import WordVectors
from helpers.word2vec_stream import CHUNK, CHUNKS_PER_BATCH, Batch, Model, Stream

Descend = Callable[[Tensor, float], None]  # takes a gradient and a learning rate

STEP_LIMIT = 1.0  # the most that a word's learning rates may sum to in one batch


@dataclass(frozen=True)
class Word2Vec:
    """A trained (or half-trained) model.

    Attributes:
        vocabulary: the V words.
        inputs: (V, d) float32, each word's vector when given.
        outputs: (V, d) float32, each word's vector when predicted.
    """

    vocabulary: Vocabulary
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]

    @property
    def vectors(self) -> WordVectors:
        """The input vectors, which are the ones to use."""
        return WordVectors(self.vocabulary.words, self.inputs)


def train_word2vec(
    corpus: Corpus,
    *,
    seed: int,
    model: Model = "skipgram",
    dim: int = 100,
    window: int = 5,
    negatives: int | None = 5,
    sample: float = 1e-3,
    epochs: int = 5,
    learning_rate: float | None = None,
    threads: int = 2,
    device: torch.device | str = "cpu",
    callback: Callable[[float, Word2Vec], None] | None = None,
    snapshots: int = 10,
) -> Word2Vec:
    """Train word vectors on a corpus.

    As in Mikolov et al. 2013b: frequent words are thinned out first, each center's
    window is drawn from 1 ... `window`, noise comes from counts ** 0.75, and the
    learning rate falls linearly to (nearly) zero. With threads=1 on a CPU, the same
    seed gives the same bits on one machine; with more, the scores vary a little.

    Args:
        corpus: the text.
        seed: of all random draws.
        model: "skipgram" or "cbow".
        dim: d, length of the vectors.
        window: the most words taken to each side, at least 1.
        negatives: noise words for each positive pair; None trains the full softmax,
            whose cost grows with V: for small vocabularies.
        sample: share of the text above which a word is thinned out.
        epochs: passes over the text.
        learning_rate: at the start; by default 0.025 for skip-gram, 0.1 for CBOW.
        threads: how many train at once.
        device: where the vectors live; see `device.get_device`.
        callback: called `snapshots` times, evenly spaced, and before the start, as
            `callback(done, model)` with done from 0 to 1 and a copy of the vectors.
        snapshots: see callback.

    Raises:
        ValueError: for an empty corpus or a setting out of range.
    """
    check_settings(
        {"dim": dim, "window": window, "epochs": epochs, "threads": threads}
        | {"words in the corpus": len(corpus.ids), "snapshots": snapshots}
        | ({} if negatives is None else {"negatives": negatives})
    )
    if model not in ("skipgram", "cbow"):
        raise ValueError(f"model = {model!r}; choose 'skipgram' or 'cbow'")
    if learning_rate is None:
        learning_rate = 0.025 if model == "skipgram" else 0.1

    device = torch.device(device)
    stream = Stream(corpus, model, window, negatives, sample, seed, device)
    learner = Learner(stream, len(corpus.vocabulary), dim)

    def snapshot() -> Word2Vec:
        inputs, outputs = learner.inputs, learner.outputs
        copies = (matrix.cpu().numpy().copy() for matrix in (inputs, outputs))
        return Word2Vec(corpus.vocabulary, *copies)

    stops = snapshots if callback else 1
    for done in train(learner, epochs, learning_rate, threads, model, stops):
        if callback:
            callback(done, snapshot())
    return snapshot()


def check_settings(settings: Mapping[str, int]) -> None:
    """Raise ValueError for the first setting below 1."""
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{name} = {value}, but it must be at least 1")


def train(
    learner: "Learner",
    epochs: int,
    learning_rate: float,
    threads: int,
    description: str,
    stops: int = 1,
) -> Iterator[float]:
    """Train on every block in turn, `epochs` times, with a falling learning rate.

    Args:
        learner: what is trained; it brings its text.
        epochs: passes over the text.
        learning_rate: at the start.
        threads: how many train at once.
        description: the progress bar's.
        stops: see below.

    Yields:
        The share that is done, before the start and at `stops` evenly spaced points.
        No thread is at work meanwhile.
    """
    sizes = np.tile(np.diff(learner.stream.block_starts), epochs)
    done = np.concatenate([[0], sizes.cumsum()]) / sizes.sum()

    def train_block(number: int) -> int:
        for batch in learner.stream.batches(number):
            learner.step(batch, learning_rate * (1 - done[number]))
        return sizes[number]

    bar = tqdm(total=sizes.sum(), unit=" words", unit_scale=True, desc=description)
    with bar, torch_threads(1), ThreadPoolExecutor(threads) as pool:
        yield 0.0
        for first, last in pairwise(np.linspace(0, len(sizes), stops + 1).astype(int)):
            for size in pool.map(train_block, range(first, last)):
                bar.update(size)
            yield float(done[last])


class Learner:
    """The vectors being trained, and the steps they take.

    Attributes:
        stream: the text they are trained on.
        inputs: (n_inputs, d) float32, row i the vector of word i when given.
        outputs: (V, d) float32.
    """

    def __init__(self, stream: Stream, n_inputs: int, dim: int):
        self.stream = stream
        rng = np.random.default_rng(stream.seed)
        start = (rng.random((n_inputs, dim), dtype=np.float32) - 0.5) / dim
        self.inputs = torch.from_numpy(start).to(stream.device)
        n_outputs = len(stream.corpus.vocabulary)
        self.outputs = torch.zeros(n_outputs, dim, device=stream.device)
        given, predicted = expected_pairs(stream)
        self.input_limits = self.step_limits(given)
        self.output_limits = self.step_limits(predicted)

    def step_limits(self, pairs: NDArray[np.float64]) -> Tensor:
        """Return the largest learning rates (n, 1) of vectors in so many pairs (n,).

        A vector in k pairs of a batch takes k steps from one point: with rate * k well
        above 1 they overshoot together.
        """
        limits = STEP_LIMIT / torch.from_numpy(pairs)[:, None]
        return limits.to(self.stream.device, torch.float32)

    def look_up(self, words: Tensor) -> tuple[Tensor, Descend]:
        """Return the input vectors (G, n, d) of words (G, n), and how to move them."""

        def descend(gradient: Tensor, rate: float) -> None:
            gradient *= -embedding(words, self.input_limits).clamp(max=rate)
            self.inputs.index_add_(0, words.flatten(), gradient.flatten(0, 1))

        return embedding(words, self.inputs), descend

    def step(self, batch: Batch, rate: float) -> None:
        """Move the vectors of one batch down their gradients."""
        x, descend = self.look_up(batch.inputs)
        if self.stream.negatives is None:
            grad_x, grad_outputs = softmax_gradients(batch, x, self.outputs)
            self.outputs -= self.output_limits.clamp(max=rate) * grad_outputs
        else:
            y = embedding(batch.outputs, self.outputs)
            grad_x, grad_y = negative_sampling_gradients(batch, x, y)
            grad_y *= -embedding(batch.outputs, self.output_limits).clamp(max=rate)
            self.outputs.index_add_(0, batch.outputs.flatten(), grad_y.flatten(0, 1))
        descend(grad_x, rate)


def expected_pairs(stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many pairs of a batch hold each word, given (V,) and predicted (V,).

    These are expectations; pairs with noise count.
    """
    counts = stream.corpus.vocabulary.counts
    text = counts * stream.keep
    text = text / text.sum()
    # The softmax pulls back every word as much as its targets push, like one negative.
    softmax = stream.negatives is None
    negatives, noise = (1, text) if softmax else (stream.negatives, stream.noise)
    per_center = stream.window + 1 if stream.model == "skipgram" else 1
    pairs = CHUNK * CHUNKS_PER_BATCH * per_center
    return pairs * (1 + negatives) * text, pairs * (text + negatives * noise)


def negative_sampling_gradients(
    batch: Batch, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """Return d loss / d x and d loss / d y, summed over the batch.

    Args:
        batch: which pairs count.
        x: (G, n_in, d) input vectors of `batch.inputs`.
        y: (G, n_out, d) output vectors of `batch.outputs`.
    """
    hidden = x if batch.mean is None else batch.mean @ x  # (G, T, d)
    errors = (hidden @ y.mT).sigmoid_()  # (G, T, n_out)
    errors[..., : batch.n_positive] -= 1
    errors *= batch.weights
    grad_hidden = errors @ y
    grad_x = grad_hidden if batch.mean is None else batch.mean.mT @ grad_hidden
    return grad_x, errors.mT @ hidden


def softmax_gradients(
    batch: Batch, x: Tensor, outputs: Tensor
) -> tuple[Tensor, Tensor]:
    """The same for the full softmax, with d loss / d outputs for all words (V, d).

    Args:
        batch: which pairs count; it holds no noise words.
        x: (G, n_in, d) input vectors of `batch.inputs`.
        outputs: (V, d) output vectors of all words.
    """
    hidden = x if batch.mean is None else batch.mean @ x  # (G, T, d)
    errors = (hidden @ outputs.T).softmax(-1)  # (G, T, V)
    errors *= batch.weights.sum(-1, keepdim=True)
    targets = batch.outputs[:, None].expand_as(batch.weights)
    errors.scatter_add_(-1, targets, -batch.weights)
    grad_hidden = errors @ outputs
    grad_x = grad_hidden if batch.mean is None else batch.mean.mT @ grad_hidden
    return grad_x, errors.flatten(0, 1).T @ hidden.flatten(0, 1)
