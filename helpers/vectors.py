"""Words with a vector each: similarity, neighbours and analogies by cosine."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cosine(a: ArrayLike, b: ArrayLike) -> float:
    """Return the cosine of the angle between two vectors (d,); 0 if one is zero."""
    a, b = np.asarray(a), np.asarray(b)
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths else 0.0


class WordVectors:
    """V distinct words, most frequent first, and the matrix of their vectors.

    Built by hand, from our trainers, or from any library: `WordVectors(words,
    matrix)`; for gensim, `WordVectors(kv.index_to_key, kv.vectors)`.

    Attributes:
        words: the V words.
        matrix: (V, d) float, row i the vector of `words[i]`.
        index: word → row.
    """

    def __init__(self, words: Sequence[str], matrix: ArrayLike):
        """Raises ValueError if rows and distinct words differ in number."""
        self.words = list(words)
        self.matrix = np.asarray(matrix)
        self.index = {word: i for i, word in enumerate(self.words)}
        if self.matrix.ndim != 2 or not (
            len(self.index) == len(self.words) == len(self.matrix)
        ):
            raise ValueError(
                f"{len(self.words)} words ({len(self.index)} distinct) and a matrix of "
                f"shape {self.matrix.shape}: give one row per distinct word"
            )

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> NDArray[np.floating]:
        """Return the vector (d,) of a word; KeyError if there is none."""
        return self.matrix[self.row(word)]

    def row(self, word: str) -> int:
        """Return the row of a word; KeyError if there is none."""
        if word not in self.index:
            raise KeyError(
                f"no vector for {word!r} among {len(self):,} words; "
                "test with `word in vectors`, and mind upper and lower case"
            )
        return self.index[word]

    @cached_property
    def unit(self) -> NDArray[np.floating]:
        """(V, d), each vector divided by its length, so that a product is a cosine."""
        lengths = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        return self.matrix / np.where(lengths > 0, lengths, 1)

    def most_frequent(self, n: int) -> "WordVectors":
        """Return the first n words only."""
        return WordVectors(self.words[:n], self.matrix[:n])

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words' vectors, in [-1, 1]."""
        return float(self.unit[self.row(a)] @ self.unit[self.row(b)])

    def neighbours(
        self, query: str | ArrayLike, n: int = 10, exclude: Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """Return the n words nearest by cosine, nearest first.

        Args:
            query: a word, which is itself left out, or a vector (d,).
            n: how many.
            exclude: further words to leave out; unknown ones do no harm.
        """
        if isinstance(query, str):
            query, exclude = self[query], {query, *exclude}
        query = np.asarray(query)
        scores = self.unit @ query / (np.linalg.norm(query) or 1)
        excluded = {self.index[word] for word in exclude if word in self.index}
        scores[list(excluded)] = -np.inf
        n = min(n, len(self) - len(excluded))
        best = np.argsort(-scores, kind="stable")[:n]
        return [(self.words[i], float(scores[i])) for i in best]

    def analogy(self, a: str, b: str, c: str, n: int = 1) -> list[tuple[str, float]]:
        """Return the words d for which "a is to b as c is to d".

        3CosAdd (Mikolov et al. 2013, "Linguistic regularities in continuous space
        word representations"; named by Levy & Goldberg 2014, eq. 3): the words
        nearest by cosine to b - a + c, with unit vectors, other than a, b and c.
        """
        a_, b_, c_ = (self.unit[self.row(word)] for word in (a, b, c))
        return self.neighbours(b_ - a_ + c_, n, exclude=(a, b, c))

    def answer_analogies(
        self, questions: NDArray[np.integer], batch: int = 512
    ) -> NDArray[np.int64]:
        """Answer many analogies at once, each as `analogy` would.

        Args:
            questions: (Q, 3) rows of the words a, b, c.
            batch: questions in one product; the scores take 4 V bytes for each.

        Returns:
            (Q,) rows of the best words d.
        """
        answers = np.empty(len(questions), dtype=np.int64)
        for start in range(0, len(questions), batch):
            a, b, c = questions[start : start + batch].T
            targets = self.unit[b] - self.unit[a] + self.unit[c]  # (batch, d)
            scores = targets @ self.unit.T  # (batch, V)
            for own in (a, b, c):
                scores[np.arange(len(own)), own] = -np.inf
            answers[start : start + batch] = scores.argmax(axis=1)
        return answers
