"""From text to marked words and from pieces back to text, losing nothing but layout."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

MARK = "\u2581"
"""▁, which stands for the space before a word."""


def normalize(text: str) -> str:
    """Return the form of a text that pieces keep: NFKC and single spaces.

    NFKC is Unicode's compatibility form: one code for what looks the same ("ﬁ" becomes
    "fi", "²" becomes "2", a full-width letter the usual one). Any run of white space
    becomes one space, and so does a ▁ of the text's own, which would read as a space
    later; none stays at the ends. Normalising again changes nothing.
    """
    return " ".join(unicodedata.normalize("NFKC", text).replace(MARK, " ").split())


def split_words(text: str) -> list[str]:
    """Cut a text into the words that pieces never cross, in order.

    A word ends at a space and where the script changes: "don't" is cut before and after
    the apostrophe, "2nd" after the digit, and Chinese only at punctuation. A word that
    stood first or after a space begins with ▁. This is SentencePiece's rule
    (`split_by_unicode_script`), with the script read from a letter's Unicode name;
    digits, punctuation and symbols count as one script.

    >>> split_words("I don't.")
    ['▁I', '▁don', "'", 't', '.']
    """
    words = []
    for token in normalize(text).split():
        first, *others = _script_runs(token)
        words += [MARK + first, *others]
    return words


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count the marked words (see `split_words`) of many texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split_words(text))
    return counts


def join_pieces(pieces: Iterable[str]) -> str:
    """Return the text behind pieces: glue them, and turn each ▁ into a space.

    `join_pieces(model.encode(text)) == normalize(text)` for any text.
    """
    return "".join(pieces).replace(MARK, " ").removeprefix(" ")


class PieceIds:
    """A number for each piece, and the 256 bytes for whatever is no known piece.

    A character outside the vocabulary becomes the bytes of its UTF-8 code, so ids give
    back any text (SentencePiece's `byte_fallback`).

    Attributes:
        bytes: what each id stands for: the 256 bytes, then the pieces in UTF-8.
        index: piece → id, from 256.
    """

    def __init__(self, pieces: Sequence[str]):
        """Raises ValueError if a piece occurs twice."""
        self.bytes = [bytes([b]) for b in range(256)] + [p.encode() for p in pieces]
        self.index = {piece: i for i, piece in enumerate(pieces, start=256)}
        if len(self.index) < len(pieces):
            twice = Counter(pieces).most_common(1)[0][0]
            raise ValueError(f"piece {twice!r} occurs twice: give each piece once")

    def __len__(self) -> int:
        return len(self.bytes)

    def encode(self, pieces: Iterable[str]) -> list[int]:
        """Return the ids of pieces; an unknown one gives one for each of its bytes."""
        ids = []
        for piece in pieces:
            ids += [self.index[piece]] if piece in self.index else piece.encode()
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text behind ids; bytes that are no UTF-8 become U+FFFD."""
        return join_pieces(
            b"".join(self.bytes[i] for i in ids).decode(errors="replace")
        )


# Japanese mixes its two syllabaries with Chinese characters in one word.
_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}


@lru_cache(maxsize=100_000)
def _script_runs(token: str) -> tuple[str, ...]:
    """Cut a token where its script changes; a combining mark stays with its letter."""
    runs, last = [], ""
    for character in token:
        kind = unicodedata.category(character)[0]
        if kind == "L":
            name = unicodedata.name(character, "COMMON").partition(" ")[0]
            script = _SCRIPT.get(name, name)
        else:
            script = last if kind == "M" and last else "COMMON"
        if script == last:
            runs[-1] += character
        else:
            runs.append(character)
        last = script
    return tuple(runs)
