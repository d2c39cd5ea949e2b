"""From raw text to arrays of word ids."""

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokenize(text: str) -> list[str]:
    """Return the words of `text` in order, lower-cased.

    A word is a run of letters and digits; an apostrophe between two of them
    belongs to it ("don't", "o'clock"), curly or straight. Everything else
    (hyphens, underscores, punctuation) separates words and is dropped.
    """
    return _WORD.findall(text.lower().replace("\u2019", "'"))
