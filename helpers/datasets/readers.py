"""Read unpacked data sets from their folders, as plain Python values."""

import gzip
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

_ADJECTIVE_POSITION = re.compile(r"\((?:a|p|ip)\)$")


def read_wordnet(folder: Path) -> "WordNetCorpusReader":
    """Open WordNet with nltk's reader."""
    import nltk.data  # here, since importing nltk takes a second that few lectures need
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if str(folder) not in nltk.data.path:  # nltk opens nothing outside this list
        nltk.data.path.insert(0, str(folder))
    # The reader would like the Open Multilingual WordNet too, and warns without it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return WordNetCorpusReader(str(folder / "corpora" / "wordnet"), None)


def read_wordnet_glosses(folder: Path) -> Iterator[tuple[list[str], str]]:
    """Read each synset's lemmas and gloss (definition and examples): wndb(5WN)."""
    for part_of_speech in ("noun", "verb", "adj", "adv"):
        path = folder / "corpora" / "wordnet" / f"data.{part_of_speech}"
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("  "):  # the licence, at the top of each file
                facts, gloss = line.split(" | ", 1)
                _, _, _, count, *rest = facts.split()
                lemmas = rest[: 2 * int(count, 16) : 2]
                yield [_ADJECTIVE_POSITION.sub("", w) for w in lemmas], gloss.strip()


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
