"""fastText: word vectors made from the vectors of character n-grams.

A word is written between boundary marks and cut into all its n-grams, here of 3 to 6
characters:

    where -> <wh <whe <wher <where whe wher where where> her here here> ere ere> re>

Each n-gram has a vector, and so has the word itself; their mean is the vector that
stands for the word. A word that training never met is the mean of its n-grams. To keep
the table small, n-grams share B rows, found by a hash of their letters.

    Bojanowski et al. 2017, "Enriching word vectors with subword information", arXiv
        1607.04606 (section 3.2; the paper takes the sum, the released program and
        gensim take the mean)

Training is skip-gram with negative sampling, as in `helpers.word2vec`. What is new is
where a center's vector comes from and where its steps go. With P a sparse matrix that
holds a 1 for each row of the table that is part of a center,

    hidden = P.T @ table / parts of each center                        (T, d)
    table += P @ steps of hidden

so that every part takes the whole step, as in the released program, and hidden moves
about as far as in skip-gram. (The gradient of the mean is 1 / n of it for n parts.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from helpers.text import Corpus
from helpers.vectors import WordVectors
from helpers.word2vec import Descend, Learner, check_settings, expected_pairs, train
from helpers.word2vec_stream import Stream

FNV_OFFSET, FNV_PRIME = 2166136261, 16777619  # FNV-1a with 32 bits


def ngrams(word: str, min_n: int = 3, max_n: int = 6) -> list[str]:
    """Return a word's character n-grams, boundary marks included, from left to right.

    A mark alone is none of them.
    """
    marked = f"<{word}>"
    return [
        marked[start : start + n]
        for start in range(len(marked))
        for n in range(min_n, min(max_n, len(marked) - start) + 1)
        if n > 1 or 0 < start < len(marked) - 1
    ]


def hash_ngram(ngram: str) -> int:
    """Return fastText's hash of an n-gram, in [0, 2**32): FNV-1a of its UTF-8 bytes.

    The released program reads a byte above 127 as a negative number, whose 24 higher
    bits are set when it is widened to 32; so do gensim and this.
    """
    value = FNV_OFFSET
    for byte in ngram.encode():
        value ^= byte if byte < 128 else byte | 0xFFFFFF00
        value = value * FNV_PRIME % 2**32
    return value


@dataclass(frozen=True)
class Parts:
    """Which rows of the table make up each of V words.

    Attributes:
        rows: (P,) int64, those of word 0, then those of word 1, ...: for word i first
            row i, its own, then row V + hash % buckets for each of its n-grams.
        sizes: (V,) int64, how many rows each word has.
        starts: (V,) int64, where they start.
    """

    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def from_words(
        cls, words: Sequence[str], min_n: int, max_n: int, buckets: int
    ) -> "Parts":
        """Do for V words at once what `ngrams` and `hash_ngram` do for one."""
        text = "".join(f"<{word}>" for word in words).encode()
        signed = np.frombuffer(text, dtype=np.int8)
        # A character begins at each byte but those from -128 to -65, which continue it.
        byte = np.append(np.flatnonzero(signed >= -64), len(signed))

        lengths = np.array([len(word) + 2 for word in words])  # in characters
        word = np.arange(len(words)).repeat(lengths)  # of each character
        last = lengths.cumsum()[word, None]
        first = last - lengths[word, None]
        start = np.arange(len(word))[:, None]
        end = start + np.arange(min_n, max_n + 1)
        is_mark = (end == start + 1) & ((start == first) | (end == last))
        start, n = np.nonzero((end <= last) & ~is_mark)

        hashes = _hash_slices(signed, byte[start], byte[start + min_n + n])
        counts = np.bincount(word[start], minlength=len(words))
        of_ngrams = len(words) + (hashes % buckets).astype(np.int64)
        rows = np.insert(of_ngrams, counts.cumsum() - counts, np.arange(len(words)))
        sizes = counts + 1
        return cls(rows, sizes, sizes.cumsum() - sizes)

    def of(self, words: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray]:
        """Return the parts of some words (n,), one word after another.

        Returns:
            their rows (p,); for each row the place in `words` of its owner (p,); where
            each word's rows start (n,).
        """
        sizes = self.sizes[words]
        starts = sizes.cumsum() - sizes
        owners = np.arange(len(words)).repeat(sizes)
        places = np.arange(len(owners)) + (self.starts[words] - starts).repeat(sizes)
        return self.rows[places], owners, starts


def _hash_slices(
    signed: NDArray[np.int8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Hash many slices of a text's bytes as `hash_ngram` does one."""
    values = np.full(len(starts), FNV_OFFSET, dtype=np.uint32)
    for offset in range((ends - starts).max(initial=0)):
        going_on = np.flatnonzero(starts + offset < ends)
        byte = signed[starts[going_on] + offset].astype(np.uint32)
        values[going_on] = (values[going_on] ^ byte) * np.uint32(FNV_PRIME)
    return values


@dataclass(frozen=True)
class FastText:
    """A trained model.

    Attributes:
        vectors: of the V words of the vocabulary: (V, d) float32, means of their parts.
        table: (V + B, d) float32, the parts: the words' own rows, then the buckets'.
        min_n: length of the shortest n-grams.
        max_n: length of the longest.
    """

    vectors: WordVectors
    table: NDArray[np.float32]
    min_n: int
    max_n: int

    def ngram_vectors(self, word: str) -> NDArray[np.float32]:
        """Return the vectors (n, d) of `ngrams(word, min_n, max_n)`."""
        buckets = self.table[len(self.vectors) :]
        hashes = map(hash_ngram, ngrams(word, self.min_n, self.max_n))
        return buckets[[value % len(buckets) for value in hashes]]

    def vector(self, word: str) -> NDArray[np.float32]:
        """Return the vector (d,) of any word, the mean of its n-grams if it is unknown.

        Raises:
            KeyError: if it is unknown and too short to have an n-gram.
        """
        if word in self.vectors:
            return self.vectors[word]
        if not ngrams(word, self.min_n, self.max_n):
            raise KeyError(
                f"no vector for {word!r}: it isn't in the vocabulary, and <{word}> has "
                f"no n-gram of {self.min_n} characters; give a longer word"
            )
        return self.ngram_vectors(word).mean(axis=0)

    def neighbours(self, word: str, n: int = 10) -> list[tuple[str, float]]:
        """Return the n known words nearest to any word by cosine, nearest first."""
        return self.vectors.neighbours(self.vector(word), n, exclude=[word])


def train_fasttext(
    corpus: Corpus,
    *,
    seed: int,
    dim: int = 100,
    window: int = 5,
    negatives: int = 5,
    min_n: int = 3,
    max_n: int = 6,
    buckets: int = 100_000,
    sample: float = 1e-3,
    epochs: int = 5,
    learning_rate: float = 0.05,
    threads: int = 2,
) -> FastText:
    """Train word and n-gram vectors on a corpus, as skip-gram with negative sampling.

    With threads=1, the same seed gives the same bits on one machine; with more, the
    scores vary a little.

    Args:
        corpus: the text.
        seed: of all random draws.
        dim: d, length of the vectors.
        window: the most words taken to each side.
        negatives: noise words for each positive pair.
        min_n: length of the shortest n-grams.
        max_n: length of the longest.
        buckets: B, rows that the n-grams share. The released program takes 2,000,000.
        sample: share of the text above which a word is thinned out.
        epochs: passes over the text.
        learning_rate: at the start; it falls linearly to (nearly) zero.
        threads: how many train at once.

    Raises:
        ValueError: for an empty corpus or a setting out of range.
    """
    check_settings(
        {"dim": dim, "window": window, "negatives": negatives, "epochs": epochs}
        | {"threads": threads, "words in the corpus": len(corpus.ids)}
        | {"min_n": min_n, "buckets": buckets}
    )
    if max_n < min_n:
        raise ValueError(f"max_n = {max_n}, but it must be at least min_n = {min_n}")
    device = torch.device("cpu")
    stream = Stream(corpus, "skipgram", window, negatives, sample, seed, device)
    words = corpus.vocabulary.words
    parts = Parts.from_words(words, min_n, max_n, buckets)
    learner = SubwordLearner(stream, parts, len(words) + buckets, dim)
    for _ in train(learner, epochs, learning_rate, threads, "fasttext"):
        pass
    vectors = WordVectors(words, learner.vectors().numpy())
    return FastText(vectors, learner.inputs.numpy(), min_n, max_n)


class SubwordLearner(Learner):
    """A learner whose `inputs` are rows of parts, not of words."""

    def __init__(self, stream: Stream, parts: Parts, n_inputs: int, dim: int):
        super().__init__(stream, n_inputs, dim)
        self.parts = parts
        of_words, _ = expected_pairs(stream)
        of_rows = np.bincount(parts.rows, of_words.repeat(parts.sizes), n_inputs)
        self.input_limits = self.step_limits(of_rows)

    def look_up(self, words: Tensor) -> tuple[Tensor, Descend]:
        """Return the means of parts (G, n, d) of words (G, n), and how to move them."""
        found = self.parts.of(words.flatten().numpy())
        rows, owners, starts = map(torch.from_numpy, found)
        means = embedding_bag(rows, self.inputs, starts, mode="mean")

        def descend(gradient: Tensor, rate: float) -> None:
            rates = self.input_limits.take(rows).clamp(max=rate)
            steps = torch.sparse_coo_tensor(
                torch.stack([rows, owners]),
                -rates,
                (len(self.inputs), words.numel()),
                check_invariants=False,
            )
            self.inputs.addmm_(steps, gradient.flatten(0, 1))

        return means.view(*words.shape, -1), descend

    def vectors(self) -> Tensor:
        """Return the means of parts of all words, (V, d)."""
        rows, starts = map(torch.from_numpy, (self.parts.rows, self.parts.starts))
        return embedding_bag(rows, self.inputs, starts, mode="mean")
