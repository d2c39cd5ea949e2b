"""Byte-pair encoding: merge the most frequent pair of neighbours, again and again.

Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword
units", algorithm 1, with the rules that SentencePiece adds for ties and for encoding.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from tqdm import tqdm

from .pieces import split_words

Pair = tuple[str, str]


def merge_pair(symbols: Sequence[str], pair: Pair, merged: str) -> list[str]:
    """Replace each occurrence of a pair of neighbours, from left to right.

    >>> merge_pair(["a", "a", "a", "b"], ("a", "a"), "aa")
    ['aa', 'a', 'b']
    """
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            result.append(merged)
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


class PairCounts:
    """How often each pair of neighbours occurs, kept up to date as pairs merge.

    A merge visits only the words that hold the pair, which is what makes training fast:
    counting anew would visit all words every time.

    Attributes:
        counts: pair → occurrences in the text (a pair in a word counts as often as the
            word does). Pairs that are gone count 0.
        symbols: symbol → occurrences in the text.
        words: the symbols of each word, as merged so far.
    """

    def __init__(
        self, words: Mapping[str, int], split: Callable[[str], Sequence[str]] = list
    ):
        """Start from words with their counts, each split into its first symbols."""
        self.words = [list(split(word)) for word in words]
        self.counts: Counter[Pair] = Counter()
        self.symbols: Counter[str] = Counter()
        self._often = list(words.values())
        self._where: dict[Pair, set[int]] = defaultdict(set)
        for i, (symbols, n) in enumerate(zip(self.words, self._often, strict=True)):
            for symbol in symbols:
                self.symbols[symbol] += n
            for pair in pairwise(symbols):
                self.counts[pair] += n
                self._where[pair].add(i)

    def merge(self, pair: Pair, merged: str) -> set[Pair]:
        """Merge a pair wherever it occurs; return the pairs whose counts changed."""
        changed = set()
        for i in self._where.pop(pair, ()):
            before, n = self.words[i], self._often[i]
            after = self.words[i] = merge_pair(before, pair, merged)
            made = n * (len(before) - len(after))
            self.symbols[pair[0]] -= made
            self.symbols[pair[1]] -= made
            self.symbols[merged] += made
            difference = Counter(pairwise(after))
            difference.subtract(pairwise(before))
            for neighbours, more in difference.items():
                if more:
                    self.counts[neighbours] += n * more
                    changed.add(neighbours)
                if more > 0:
                    self._where[neighbours].add(i)
        return changed


class BPE:
    """A vocabulary of characters and merges, and the segmentation it implies.

    Attributes:
        characters: the single characters seen in training, most frequent first.
        merges: pairs in the order in which they were learned.
    """

    def __init__(self, characters: Sequence[str], merges: Sequence[Pair]):
        self.characters = list(characters)
        self.merges = list(merges)
        self._segmented: dict[str, list[str]] = {}

    @cached_property
    def pieces(self) -> list[str]:
        """All pieces: the characters, then each merge's result."""
        return self.characters + [left + right for left, right in self.merges]

    @cached_property
    def rank(self) -> dict[str, int]:
        """Merged piece → when it was learned, from 0."""
        return {left + right: i for i, (left, right) in enumerate(self.merges)}

    def first(self, merges: int) -> "BPE":
        """Return the model that training would have reached after so many merges."""
        return BPE(self.characters, self.merges[:merges])

    def segment(self, word: str) -> list[str]:
        """Cut one marked word into pieces.

        From single characters, join again and again the two neighbours whose joint
        piece was learned first (the leftmost of equals). As in SentencePiece, any two
        pieces may join that spell a learned one, not only the pair that was learned;
        with merges from training the two rules cut alike.
        """
        if word in self._segmented:
            return self._segmented[word]
        symbols, never = list(word), len(self.rank)
        while len(symbols) > 1:
            joined = [left + right for left, right in pairwise(symbols)]
            ranks = [self.rank.get(piece, never) for piece in joined]
            first = min(ranks)
            if first == never:
                break
            i = ranks.index(first)
            symbols[i : i + 2] = [joined[i]]
        self._segmented[word] = symbols
        return symbols

    def encode(self, text: str) -> list[str]:
        """Cut a text into pieces; an unknown character stays a piece of its own."""
        return [piece for word in split_words(text) for piece in self.segment(word)]


def train_bpe(words: Mapping[str, int], merges: int, max_length: int = 16) -> BPE:
    """Learn merges from marked words (see `pieces.count_words`).

    Of equally frequent pairs the one with the shortest result wins, then the first in
    the order of character codes. This rule and `max_length` are SentencePiece's, so the
    pieces are those of its `model_type=bpe`, in the same order, if its vocabulary holds
    every character (`character_coverage=1.0`).

    Args:
        words: word → how often it occurs.
        merges: how many to learn; fewer if the pairs run out.
        max_length: the longest piece in characters, ▁ included.

    Raises:
        ValueError: if there are no words.
    """
    if not words:
        raise ValueError("no words to learn from: count some with count_words(texts)")
    pairs = PairCounts(words)
    characters = [c for c, _ in sorted(pairs.symbols.items(), key=lambda x: (-x[1], x))]

    def entry(pair: Pair) -> tuple[int, int, str, Pair]:
        piece = pair[0] + pair[1]
        return -pairs.counts[pair], len(piece), piece, pair

    queue = [entry(pair) for pair in pairs.counts]
    heapq.heapify(queue)
    learned: list[Pair] = []
    with tqdm(total=merges, unit=" merges", desc="BPE", leave=False) as bar:
        while queue and len(learned) < merges:
            minus_count, length, piece, pair = heapq.heappop(queue)
            # A pair has an entry for each count it ever had; only the newest holds.
            outdated = -minus_count != pairs.counts[pair] or minus_count == 0
            if outdated or length > max_length:
                continue
            learned.append(pair)
            for changed in pairs.merge(pair, piece):
                heapq.heappush(queue, entry(changed))
            bar.update()
    return BPE(characters, learned)
