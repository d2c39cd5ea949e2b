"""Text as language models read it: a closed vocabulary, and a mark at each line's end.

A language model must give every token that it may meet a probability. So the vocabulary
is fixed beforehand: rare and unknown words become the one token "<unk>", and "<eos>"
(end of sentence) closes each line, so that a model also predicts where lines end.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from helpers import datasets
from helpers.text import Vocabulary

UNK, EOS = "<unk>", "<eos>"


class TokenStream(NamedTuple):
    """Lines as one long array of word ids.

    Attributes:
        ids: (N,) int32, all lines after one another, each closed by "<eos>".
        starts: (L + 1,) int64; line l is `ids[starts[l]:starts[l + 1]]`.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]


def closed_vocabulary(lines: Sequence[Sequence[str]], min_count: int = 1) -> Vocabulary:
    """Collect the words that occur at least `min_count` times, "<unk>" and "<eos>".

    The counts are those of the encoded text: that of "<unk>" is the number of tokens
    that it replaces, that of "<eos>" the number of lines.
    """
    seen = Counter(chain.from_iterable(lines))
    counts = Counter({w: n for w, n in seen.items() if n >= min_count})
    counts[UNK] += seen.total() - counts.total()
    counts[EOS] += len(lines)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary(words, np.array([counts[w] for w in words], dtype=np.int64))


def encode_lines(lines: Iterable[Sequence[str]], vocabulary: Vocabulary) -> TokenStream:
    """Number the words, unknown ones as "<unk>", and close each line by "<eos>".

    Raises:
        KeyError: if the vocabulary lacks "<unk>" or "<eos>".
    """
    index, unk, eos = vocabulary.index, vocabulary[UNK], vocabulary[EOS]
    ids, starts = [], [0]
    for line in lines:
        ids += [index.get(word, unk) for word in line]
        ids.append(eos)
        starts.append(len(ids))
    return TokenStream(np.array(ids, dtype=np.int32), np.array(starts))


def load_wikitext2_streams() -> tuple[Vocabulary, dict[str, TokenStream]]:
    """Load WikiText-2 (Merity et al. 2016) in its word-level form.

    The vocabulary holds the 33,276 words that occur 3 times or more in "train",
    "<unk>" and "<eos>": V = 33,278, as published.

    Returns:
        the vocabulary, and the streams "train" (2,088,628 tokens with "<eos>"),
        "valid" (217,646) and "test" (245,569).

    Raises:
        DataError: if WikiText-2 can't be had (see `datasets.fetch`).
    """
    splits = {
        name: datasets.load_wikitext2(name) for name in ("train", "valid", "test")
    }
    vocabulary = closed_vocabulary(splits["train"], min_count=3)
    streams = {name: encode_lines(s, vocabulary) for name, s in splits.items()}
    return vocabulary, streams
