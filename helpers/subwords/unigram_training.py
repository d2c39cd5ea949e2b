"""Learning a unigram model: many pieces at first, EM for their probabilities, pruning.

Kudo 2018, "Subword regularization", section 3.2. The lattices of all words are laid out
in arrays once, so that one step of EM costs a few array operations for each position.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from .unigram import Unigram, viterbi

# SentencePiece's settings, but for the number of seeds, which is a million there.
SEEDS_PER_PIECE = 10
EM_STEPS = 2
SHRINK = 0.75


class Lattices:
    """The lattices of many words, edge after edge.

    Attributes:
        pieces: P pieces that may be edges.
        piece: (E,) which piece an edge is.
        source: (E,) the node where it starts; node `first[w] + i` lies before
            character i of word w.
        target: (E,) the node where it ends.
        word: (E,) the word it belongs to.
        counts: (W,) how often each word occurs.
        first, last: (W,) each word's first and last node.
    """

    def __init__(self, words: Mapping[str, int], pieces: Sequence[str]):
        """Raises ValueError if a character of a word is no piece, or without words."""
        _check_words(words)
        self.pieces = list(pieces)
        self.counts = np.fromiter(words.values(), dtype=np.int64, count=len(words))
        lengths = np.array([len(word) for word in words], dtype=np.int64)
        self.last = np.cumsum(lengths + 1) - 1
        self.first = self.last - lengths
        index = {piece: i for i, piece in enumerate(self.pieces)}
        _check_spelled(words, index)
        longest = max(map(len, index))
        edges = [
            (start, end, w, index[word[start:end]])
            for w, word in enumerate(words)
            for start in range(len(word))
            for end in range(start + 1, min(start + longest, len(word)) + 1)
            if word[start:end] in index
        ]
        # By the place where they start: then all edges into a node come before all
        # edges out of it, and each level is one array operation.
        edges.sort()
        start, end, self.word, self.piece = np.array(edges, dtype=np.int64).T
        self.source = self.first[self.word] + start
        self.target = self.first[self.word] + end
        bounds = np.searchsorted(start, np.arange(lengths.max() + 1))
        self._levels = [slice(a, b) for a, b in pairwise(bounds)]

    def expected_counts(
        self, log_p: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """The E-step: forward-backward over all words at once.

        Args:
            log_p: (P,) log probability of each piece; -inf for one that is gone.

        Returns:
            The log likelihood of the text in nats, and (P,) how often each piece is
            expected in it.
        """
        scores = log_p[self.piece]
        forward, backward = np.full((2, self.last[-1] + 1), -np.inf)
        forward[self.first] = backward[self.last] = 0.0
        for level in self._levels:
            source, target = self.source[level], self.target[level]
            np.logaddexp.at(forward, target, forward[source] + scores[level])
        for level in reversed(self._levels):
            source, target = self.source[level], self.target[level]
            np.logaddexp.at(backward, source, scores[level] + backward[target])
        word_log_p = forward[self.last]  # (W,)
        share = np.exp(
            forward[self.source]
            + scores
            + backward[self.target]
            - word_log_p[self.word]
        )
        weights = share * self.counts[self.word]
        expected = np.bincount(self.piece, weights, minlength=len(self.pieces))
        return float(self.counts @ word_log_p), expected


def maximize(expected: ArrayLike) -> NDArray[np.float64]:
    """The M-step: log probabilities in proportion to the expected counts, (P,).

    SentencePiece takes the digamma function of the counts instead of the logarithm,
    which starves rare pieces (a sparse prior); plain EM never lowers the likelihood.
    """
    expected = np.asarray(expected, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log(expected) - np.log(expected.sum())


def seed_pieces(
    words: Mapping[str, int], size: int, max_length: int = 16
) -> dict[str, int]:
    """Count the substrings to begin with: every character, and the weightiest others.

    A substring's weight is its count times its length; one seen once is left out.

    Args:
        words: word → how often it occurs.
        size: pieces wanted; all characters are kept, even if they are more.
        max_length: the longest piece in characters.

    Returns:
        Piece → count, characters first.
    """
    counts: Counter[str] = Counter()
    for word, n in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + max_length, len(word)) + 1):
                counts[word[start:end]] += n
    characters = [piece for piece in counts if len(piece) == 1]
    others = [piece for piece, n in counts.items() if len(piece) > 1 and n > 1]
    others.sort(key=lambda piece: (-counts[piece] * len(piece), piece))
    kept = characters + others[: max(0, size - len(characters))]
    return {piece: counts[piece] for piece in kept}


def train_unigram(words: Mapping[str, int], size: int) -> Unigram:
    """Learn a unigram model by EM and pruning (Kudo 2018, section 3.2).

    Two steps of EM alternate with pruning, which keeps the three quarters of the pieces
    whose loss would cost the likelihood most. Single characters are never pruned.

    Args:
        words: marked word → how often it occurs (see `pieces.count_words`).
        size: pieces wanted; fewer if the text has fewer.

    Returns:
        The pieces, likeliest first.

    Raises:
        ValueError: if there are no words, or `size` is less than the characters.
    """
    _check_words(words)
    seeds = seed_pieces(words, SEEDS_PER_PIECE * size)
    characters = sum(len(piece) == 1 for piece in seeds)
    if size < characters:
        raise ValueError(
            f"size is {size}, but the text has {characters} different characters, and "
            "each is a piece: ask for more, or map rare characters to one"
        )
    pieces, counts = list(seeds), np.array(list(seeds.values()), dtype=np.float64)
    with tqdm(desc="unigram", unit=" rounds", leave=False) as bar:
        while True:
            lattices = Lattices(words, pieces)
            log_p = maximize(_keep_characters(pieces, counts))
            for _ in range(EM_STEPS):
                _, counts = lattices.expected_counts(log_p)
                log_p = maximize(counts)
            counts = _keep_characters(pieces, counts)
            bar.update()
            if len(pieces) <= size:
                break
            wanted = max(size, int(SHRINK * len(pieces)))
            kept = _prune(words, pieces, maximize(counts), wanted)
            pieces, counts = [pieces[i] for i in kept], counts[kept]
    log_p = maximize(counts)
    order = np.lexsort((np.arange(len(pieces)), -log_p))
    return Unigram({pieces[i]: float(log_p[i]) for i in order})


def _keep_characters(pieces: Sequence[str], counts: NDArray) -> NDArray:
    """Count each character at least half a time, so that any word can be spelled."""
    single = np.array([len(piece) == 1 for piece in pieces])
    return np.where(single, np.maximum(counts, 0.5), counts)


def _prune(
    words: Mapping[str, int], pieces: Sequence[str], log_p: NDArray, wanted: int
) -> list[int]:
    """Return the places of the pieces to keep, in order.

    Without a piece, each of its uses in the best segmentations would become the best
    other way to spell it. That estimates how much log likelihood the text would lose.
    """
    scores = dict(zip(pieces, log_p.tolist(), strict=True))
    longest = max(map(len, pieces))
    used: Counter[str] = Counter()
    for word, n in words.items():
        for piece in viterbi(word, scores, longest=longest)[0]:
            used[piece] += n
    total = used.total()
    loss = np.full(len(pieces), np.inf)
    for i, piece in enumerate(pieces):
        if len(piece) > 1:
            others = _without(piece, scores)
            loss[i] = _loss(used[piece], [used[other] for other in others], total)
    return sorted(np.argsort(-loss, kind="stable")[:wanted].tolist())


def _without(piece: str, scores: dict[str, float]) -> list[str]:
    """Spell a piece by the best of the others."""
    score = scores.pop(piece)
    others, _ = viterbi(piece, scores)
    scores[piece] = score
    return others


def _loss(n: int, others: list[int], total: int) -> float:
    """Log likelihood lost if n uses of a piece become n uses of each of the others."""
    if n == 0:
        return 0.0
    new_total = total + n * (len(others) - 1)
    after = sum(np.log((used + n) / new_total) for used in others)
    return n * (np.log(n / total) - after)


def _check_spelled(words: Mapping[str, int], index: Mapping[str, int]) -> None:
    characters = {piece for piece in index if len(piece) == 1}
    for word in words:
        missing = set(word) - characters
        if missing:
            raise ValueError(
                f"the pieces can't spell {word!r}: add the characters {sorted(missing)}"
            )


def _check_words(words: Mapping[str, int]) -> None:
    if not words:
        raise ValueError("no words to learn from: count some with count_words(texts)")
