"""Read unpacked data sets from their folders, as plain Python values."""

import gzip
import json
import warnings
from pathlib import Path

import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader


def read_wordnet(folder: Path) -> WordNetCorpusReader:
    """Open WordNet with nltk's reader."""
    if str(folder) not in nltk.data.path:  # nltk opens nothing outside this list
        nltk.data.path.insert(0, str(folder))
    # The reader would like the Open Multilingual WordNet too, and warns without it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return WordNetCorpusReader(str(folder / "corpora" / "wordnet"), None)


def read_wikitext2(folder: Path, split: str) -> list[list[str]]:
    """Read one split of WikiText-2 as lines of tokens."""
    with gzip.open(folder / f"{split}.raw.gz", "rt", encoding="utf-8") as lines:
        return [line.split() for line in lines]


def read_brown(folder: Path) -> dict[str, list[list[tuple[str, str]]]]:
    """Read Brown's 500 samples as sentences of (word, tag) pairs."""
    samples = {}
    for path in sorted(folder.glob("c[a-r][0-9][0-9]")):
        lines = path.read_text(encoding="ascii").splitlines()
        samples[path.name] = [
            [
                (word, tag.upper())
                for word, _, tag in (token.rpartition("/") for token in line.split())
            ]
            for line in lines
            if line.strip()
        ]
    return samples


def read_webster(folder: Path) -> dict[str, str]:
    """Read Webster's dictionary as head word → entry."""
    return json.loads((folder / "dictionary.json").read_text(encoding="utf-8"))
