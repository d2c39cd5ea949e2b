"""The unigram model: a piece has a probability, a segmentation the product of them.

Kudo 2018, "Subword regularization", section 3.2. All the ways to cut a word form a
lattice: its nodes are the places between characters, its edges the pieces. Viterbi
finds the best path, forward-backward sums over all of them.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from .pieces import split_words

UNKNOWN_PENALTY = 10.0
"""Nats below the least likely piece: the score of an unknown character."""


class Unigram:
    """Pieces with their log probabilities, and the likeliest segmentation.

    Attributes:
        scores: piece → log probability, in nats. SentencePiece's own models fit:
            `Unigram({sp.id_to_piece(i): sp.get_score(i) for i in range(len(sp))})`,
            without the control symbols.
    """

    def __init__(self, scores: Mapping[str, float]):
        """Raises ValueError if there are no pieces."""
        if not scores:
            raise ValueError("a unigram model needs pieces: train_unigram makes them")
        self.scores = dict(scores)
        self._unknown = min(self.scores.values()) - UNKNOWN_PENALTY
        self._longest = max(map(len, self.scores))
        self._segmented: dict[str, list[str]] = {}

    @property
    def pieces(self) -> list[str]:
        """The pieces, in the order of `scores`."""
        return list(self.scores)

    def segment(self, word: str) -> list[str]:
        """Cut one marked word into the likeliest pieces."""
        if word not in self._segmented:
            self._segmented[word], _ = viterbi(
                word, self.scores, self._unknown, self._longest
            )
        return self._segmented[word]

    def encode(self, text: str) -> list[str]:
        """Cut a text into pieces; an unknown character stays a piece of its own."""
        return [piece for word in split_words(text) for piece in self.segment(word)]


def viterbi(
    word: str,
    scores: Mapping[str, float],
    unknown: float = -np.inf,
    longest: int | None = None,
) -> tuple[list[str], float]:
    """Return the likeliest segmentation of a word and its log probability.

    best[e] = max over s < e of best[s] + score(word[s:e])

    Args:
        word: any string.
        scores: piece → log probability.
        unknown: the score of a character that is no piece.
        longest: the length of the longest piece, if it is known; it saves time.

    Returns:
        The pieces and their summed score; `[word]` and -inf if no path leads through.
    """
    longest = longest or len(word)
    best = [0.0] + [-np.inf] * len(word)
    start_of_last = [0] * (len(word) + 1)
    for start in range(len(word)):
        for end in range(start + 1, min(start + longest, len(word)) + 1):
            score = scores.get(word[start:end])
            if score is None and end == start + 1:
                score = unknown
            if score is not None and best[start] + score > best[end]:
                best[end] = best[start] + score
                start_of_last[end] = start
    pieces, end = [], len(word)
    while end > 0:
        pieces.append(word[start_of_last[end] : end])
        end = start_of_last[end]
    return pieces[::-1], best[-1]


def forward_backward(
    word: str, scores: Mapping[str, float]
) -> tuple[float, dict[str, float]]:
    """Return a word's log likelihood and how often each piece is expected in it.

    forward[e] sums the probability of all ways to cut word[:e], backward[s] of all ways
    to cut word[s:]. An edge from s to e is used with probability
    forward[s] p(word[s:e]) backward[e] / p(word).

    Args:
        word: one that the pieces can spell; else the likelihood is -inf, and nothing is
            expected.
        scores: piece → log probability.
    """
    n = len(word)
    edges = [
        (start, end, scores[word[start:end]])
        for start in range(n)
        for end in range(start + 1, n + 1)
        if word[start:end] in scores
    ]
    forward, backward = np.full((2, n + 1), -np.inf)
    forward[0] = backward[n] = 0.0
    for start, end, score in edges:
        forward[end] = np.logaddexp(forward[end], forward[start] + score)
    for start, end, score in reversed(edges):
        backward[start] = np.logaddexp(backward[start], score + backward[end])
    total = forward[n]
    expected: dict[str, float] = defaultdict(float)
    if np.isfinite(total):
        for start, end, score in edges:
            share = np.exp(forward[start] + score + backward[end] - total)
            expected[word[start:end]] += float(share)
    return float(total), dict(expected)
