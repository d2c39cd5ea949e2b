"""GloVe vectors, from the published text file to arrays that load at once."""

import bz2
import inspect
from pathlib import Path

import numpy as np
from tqdm import tqdm

_WORDS, _DIMENSIONS = 400_000, 50


def recipe() -> str:
    """Return what decides the built files' content."""
    return inspect.getsource(build)


def build(folder: Path, sources: dict[str, Path]) -> None:
    """Replace `glove.6B.50d.txt.bz2` by `words.txt` and `vectors.npy`."""
    packed = folder / "glove.6B.50d.txt.bz2"
    words = []
    vectors = np.empty((_WORDS, _DIMENSIONS), dtype=np.float32)
    with bz2.open(packed, "rt", encoding="utf-8", newline="\n") as lines:
        for i, line in enumerate(tqdm(lines, "reading GloVe", _WORDS, unit=" words")):
            word, numbers = line.split(" ", 1)
            words.append(word)
            vectors[i] = np.fromstring(numbers, dtype=np.float32, sep=" ")
    packed.unlink()
    np.save(folder / "vectors.npy", vectors)
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8", newline="\n")
