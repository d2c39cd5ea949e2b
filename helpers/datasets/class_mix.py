"""The class mix, the course's training text: prose and dictionaries in one array.

Dictionary prose teaches similarity far better per word than running text does, since an
entry puts a word beside the words that explain it.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..text import Corpus, tokenize
from . import readers

_SEED = 0
_DETACHED = re.compile(r" (?='(?:s|re|ve|ll|d|m|t)\b|n't\b)")
_ACCENTS = re.compile(r"(?<=[^\W_])[`*\"](?=[^\W_])")
_PROBE = (
    "Don't re-enter caf\u00e9_9 at 3:15, \"nai\u0308ve\" o\u2019clocks' 1,234.5 U.S."
)


def recipe() -> str:
    """Return what decides the built files' content."""
    source = inspect.getsource(sys.modules[__name__])
    return " ".join([source, inspect.getsource(readers), *tokenize(_PROBE)])


def build(folder: Path, sources: dict[str, Path]) -> None:
    """Tokenise all documents and write them as arrays.

    Documents are shuffled, so that any first part of the text is a fair sample of it
    and training doesn't end on one kind of prose.
    """
    texts = tqdm(list(_documents(sources)), "building the class mix", unit=" documents")
    documents = [words for words in map(tokenize, texts) if words]
    np.random.default_rng(_SEED).shuffle(documents)
    corpus = Corpus.from_documents(documents)
    np.save(folder / "ids.npy", corpus.ids)
    np.save(folder / "starts.npy", corpus.starts)
    words = "\n".join(corpus.vocabulary.words)
    (folder / "words.txt").write_text(words, encoding="utf-8", newline="\n")


def _documents(sources: dict[str, Path]) -> Iterator[str]:
    """Return all documents: paragraphs, samples of Brown, entries, synsets."""
    return chain(
        _wikitext2(sources["wikitext-2"]),
        _brown(sources["brown"]),
        _webster(sources["webster"]),
        _wordnet(sources["wordnet"]),
    )


def _wikitext2(folder: Path) -> Iterator[str]:
    for tokens in readers.read_wikitext2(folder, "train"):
        yield _DETACHED.sub("", " ".join(tokens))  # "Teddy 's" as elsewhere: "Teddy's"


def _brown(folder: Path) -> Iterator[str]:
    for sentences in readers.read_brown(folder).values():
        yield " ".join(word for sentence in sentences for word, _ in sentence)


def _webster(folder: Path) -> Iterator[str]:
    for head, entry in readers.read_webster(folder).items():
        yield f"{head} {_ACCENTS.sub('', entry)}"  # syllables: Quer`i*mo"ni*ous*ly


def _wordnet(folder: Path) -> Iterator[str]:
    for lemmas, gloss in readers.read_wordnet_glosses(folder):
        yield f"{' '.join(lemmas)} {gloss}"
