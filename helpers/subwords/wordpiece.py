"""WordPiece: merge the pair that belongs together most; encode by longest match.

Schuster and Nakajima 2012, "Japanese and Korean voice search", choose the merge that
raises the likelihood of the text most; the score below is the usual short form of it.
The longest match is that of BERT (Devlin et al. 2019).
"""

from collections.abc import Iterable, Mapping

from tqdm import tqdm

from .bpe import PairCounts

CONTINUES = "##"
"""Before each piece that does not begin a word."""
UNKNOWN = "[UNK]"


class WordPiece:
    """A set of pieces and the greedy longest match.

    Attributes:
        pieces: those that begin a word as they are, all others with "##" before them.
    """

    def __init__(self, pieces: Iterable[str]):
        self.pieces = list(pieces)
        self._known = set(self.pieces)
        self._longest = max((len(piece) for piece in self.pieces), default=0)

    def segment(self, word: str) -> list[str]:
        """Cut one word into pieces, at each place the longest that fits.

        If nothing fits at some place, the whole word is `[UNK]`.

        >>> WordPiece(["un", "##a", "##able", "##ab"]).segment("unable")
        ['un', '##able']
        """
        found, start = [], 0
        while start < len(word):
            prefix = CONTINUES if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                if prefix + word[start:end] in self._known:
                    break
            else:
                return [UNKNOWN]
            found.append(prefix + word[start:end])
            start = end
        return found


def first_symbols(word: str) -> list[str]:
    """The characters of a word, with ## before all but the first."""
    return [*word[:1], *(CONTINUES + character for character in word[1:])]


def join_symbols(left: str, right: str) -> str:
    """The piece that two neighbours make: ("##h", "##e") gives "##he"."""
    return left + right.removeprefix(CONTINUES)


def train_wordpiece(
    words: Mapping[str, int], merges: int, min_count: int = 2
) -> WordPiece:
    """Learn pieces by merging, each time, the pair (a, b) of the highest score

        score(a, b) = count(ab) / (count(a) count(b)),

    that is, the pair whose parts occur together far more often than apart. Ties go to
    the higher count, then to the first in the order of character codes.

    Args:
        words: word → how often it occurs, without marks.
        merges: how many pieces to learn; fewer if no pair is frequent enough.
        min_count: pairs seen less often are left alone. Without it, two characters
            that occur once, side by side, would have the best score of all.

    Returns:
        The characters in the order of their codes, then the merged pieces as learned.
    """
    pairs = PairCounts(words, first_symbols)
    characters = sorted(pairs.symbols)

    def preference(pair: tuple[str, str]) -> tuple[float, int, str]:
        count = pairs.counts[pair]
        score = count / (pairs.symbols[pair[0]] * pairs.symbols[pair[1]])
        return -score, -count, join_symbols(*pair)

    learned = []
    for _ in tqdm(range(merges), "WordPiece", unit=" merges", leave=False):
        frequent = (p for p, count in pairs.counts.items() if count >= min_count)
        best = min(frequent, key=preference, default=None)
        if best is None:
            break
        learned.append(join_symbols(*best))
        pairs.merge(best, learned[-1])
    return WordPiece(dict.fromkeys(characters + learned))
