"""From raw text to arrays of word ids, and from word ids to (center, context) pairs."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokenize(text: str) -> list[str]:
    """Return the words of `text` in order, lower-cased.

    A word is a run of letters and digits; an apostrophe between two of them
    belongs to it ("don't", "o'clock"), curly or straight. Everything else
    (hyphens, underscores, punctuation) separates words and is dropped.
    """
    return _WORD.findall(text.lower().replace("\u2019", "'"))


@dataclass(frozen=True)
class Vocabulary:
    """The known words, most frequent first; a word's place is its id.

    Attributes:
        words: V distinct words by descending count; `from_tokens` puts ties in
            alphabetical order.
        counts: (V,) int64, how often each occurs in the text it was built from.
    """

    words: list[str]
    counts: NDArray[np.int64]

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Collect the words that occur at least `min_count` times."""
        kept = [(w, n) for w, n in Counter(tokens).items() if n >= min_count]
        kept.sort(key=lambda item: (-item[1], item[0]))
        return cls([w for w, _ in kept], np.array([n for _, n in kept], dtype=np.int64))

    @cached_property
    def index(self) -> dict[str, int]:
        """Word → id."""
        return {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> int:
        """Return the id of one word; KeyError if it is unknown."""
        if word not in self.index:
            raise KeyError(
                f"{word!r} is not among the {len(self):,} words of this vocabulary; "
                "test with `word in vocabulary`, or build it with a lower min_count"
            )
        return self.index[word]

    def encode(self, tokens: Iterable[str]) -> NDArray[np.int32]:
        """Return the tokens' ids, (n,) int32. Unknown words are left out.

        Leaving out is word2vec's rule: a rare word closes up like one that was
        never there, so its neighbours become each other's context.
        """
        index = self.index
        return np.array([index[t] for t in tokens if t in index], dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words behind ids."""
        return [self.words[i] for i in ids]


@dataclass(frozen=True)
class Corpus:
    """Documents as one long array of word ids.

    Attributes:
        vocabulary: the V words that the ids stand for.
        ids: (N,) int32, all documents after one another.
        starts: (D + 1,) int64; document d is `ids[starts[d]:starts[d + 1]]`.
    """

    vocabulary: Vocabulary
    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def from_documents(
        cls, documents: Sequence[Sequence[str]], min_count: int = 1
    ) -> "Corpus":
        """Build vocabulary and ids from tokenised documents."""
        tokens = chain.from_iterable(documents)
        vocabulary = Vocabulary.from_tokens(tokens, min_count)
        encoded = [vocabulary.encode(document) for document in documents]
        starts = np.cumsum([0] + [len(e) for e in encoded], dtype=np.int64)
        ids = np.concatenate([np.empty(0, dtype=np.int32), *encoded])
        return cls(vocabulary, ids, starts)

    @classmethod
    def from_ids(
        cls,
        words: Sequence[str],
        ids: NDArray[np.int32],
        starts: NDArray[np.int64],
        min_count: int = 1,
    ) -> "Corpus":
        """Take a text that is already numbered, or a part of it; drop its rare words.

        Words are numbered anew if they are not in order of descending count; ties stay
        as they are.

        Args:
            words: the word of each id, as `datasets.load_class_mix()` gives them.
            ids: (N,) ids below `len(words)`.
            starts: (D + 1,) document boundaries.
            min_count: words that occur less often are left out.
        """
        counts = np.bincount(ids, minlength=len(words))
        order = np.argsort(-counts, kind="stable")
        place = np.empty(len(words), dtype=np.int32)
        place[order] = np.arange(len(words))
        size = int(np.count_nonzero(counts >= min_count))
        ids = place[ids]
        kept = ids < size
        kept_before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        common = order[:size]
        vocabulary = Vocabulary([words[i] for i in common], counts[common])
        return cls(vocabulary, ids[kept], kept_before[starts])


def loop_window_pairs(n: int, window: int) -> list[tuple[int, int]]:
    """Return the (center, context) positions in one text of n words, the plain way."""
    pairs = []
    for center in range(n):
        for context in range(center - window, center + window + 1):
            if context != center and 0 <= context < n:
                pairs.append((center, context))
    return pairs


def window_pairs(
    starts: NDArray[np.int64], window: int | NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return all (center, context) positions, never across documents.

    Equals `loop_window_pairs` run on each document in turn, in the same order.
    `ids[window_pairs(starts, 5)]` gives the pairs as word ids.

    Args:
        starts: (D + 1,) document boundaries; one text of n words is `[0, n]`.
        window: words to each side, one number or one per center (n,), as in
            word2vec's dynamic window.

    Returns:
        (P, 2) int64.
    """
    starts = np.asarray(starts)
    reach = np.broadcast_to(window, starts[-1])
    left, right = reach_within_documents(reach, starts)
    widest = int(reach.max(initial=0))
    offsets = np.concatenate([np.arange(-widest, 0), np.arange(1, widest + 1)])
    inside = (offsets >= -left[:, None]) & (offsets <= right[:, None])  # (n, 2 widest)
    center, column = np.nonzero(inside)
    return np.stack([center, center + offsets[column]], axis=1)


def reach_within_documents(
    reach: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut each word's window at its document's edges.

    Args:
        reach: (n,) words to each side that the window would like to take.
        starts: (D + 1,) document boundaries, the last of them n.

    Returns:
        (n,) context words to the left and (n,) to the right.
    """
    position = np.arange(starts[-1])
    lengths = np.diff(starts)
    before = position - np.repeat(starts[:-1], lengths)
    after = np.repeat(starts[1:], lengths) - position - 1
    return np.minimum(reach, before), np.minimum(reach, after)
