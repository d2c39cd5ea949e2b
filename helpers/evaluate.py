"""How good are word vectors? Human similarity judgements and analogies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from helpers.vectors import WordVectors


class Similarity(NamedTuple):
    """How well cosines rank word pairs as people do.

    Attributes:
        rho: Spearman's rank correlation over the pairs that could be scored.
        scored: number of such pairs.
        missing: the pairs left out because a word has no vector.
    """

    rho: float
    scored: int
    missing: list[tuple[str, str]]


class Accuracy(NamedTuple):
    """Analogies of one section.

    Attributes:
        correct: questions answered with the expected word.
        asked: questions whose four words all have vectors.
        skipped: questions left out because a word has none.
    """

    correct: int
    asked: int
    skipped: int

    @property
    def rate(self) -> float:
        """Share of the questions asked, in [0, 1]; NaN if none was asked."""
        return self.correct / self.asked if self.asked else float("nan")


def evaluate_similarity(
    vectors: WordVectors, pairs: Iterable[tuple[str, str, float]]
) -> Similarity:
    """Correlate cosines with people's scores of word pairs.

    A word is looked up as it is written, else in lower case. Pairs with an
    unknown word are left out, and reported: a small vocabulary can look good
    by knowing only easy words.

    Args:
        vectors: the words' vectors.
        pairs: (word, word, score), as `datasets.load_wordsim353()` gives them.

    Raises:
        ValueError: if fewer than two pairs can be scored.
    """
    human, cosines, missing = [], [], []
    for a, b, score in pairs:
        rows = [_find(vectors, word) for word in (a, b)]
        if None in rows:
            missing.append((a, b))
            continue
        human.append(score)
        cosines.append(vectors.unit[rows[0]] @ vectors.unit[rows[1]])
    if len(human) < 2:
        raise ValueError(
            f"{len(human)} pairs can be scored and {len(missing)} lack a vector; a "
            "rank correlation needs two: use vectors of a larger vocabulary"
        )
    rho = spearmanr(human, cosines).statistic
    return Similarity(float(rho), len(human), missing)


def evaluate_analogies(
    vectors: WordVectors,
    questions: Mapping[str, Sequence[tuple[str, str, str, str]]],
) -> dict[str, Accuracy]:
    """Answer analogies by 3CosAdd, section by section.

    The answer is sought among all words of `vectors` but the question's own
    three; pass `vectors.most_frequent(30_000)` for the usual smaller search.
    Words are looked up as in `evaluate_similarity`.

    Args:
        vectors: the words' vectors.
        questions: section → (a, b, c, d), "a is to b as c is to d", as
            `datasets.load_analogies()` gives them.

    Returns:
        section → Accuracy in the order given, and "total" last.
    """
    results = {}
    for section, rows in questions.items():
        found = [[_find(vectors, word) for word in question] for question in rows]
        known = np.array([f for f in found if None not in f], dtype=np.int64)
        known = known.reshape(-1, 4)
        answers = vectors.answer_analogies(known[:, :3])
        correct = int((answers == known[:, 3]).sum())
        results[section] = Accuracy(correct, len(known), len(rows) - len(known))
    results["total"] = Accuracy(*np.sum([*results.values()], axis=0).tolist())
    return results


def _find(vectors: WordVectors, word: str) -> int | None:
    return vectors.index.get(word, vectors.index.get(word.lower()))
