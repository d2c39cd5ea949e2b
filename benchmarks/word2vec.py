"""Skip-gram with negative sampling: ours and gensim's, side by side.

    python benchmarks/word2vec.py [--rounds 3] [--epochs 5]

Both train on the class mix with the same settings and two threads, in turn: ours,
gensim, ours, gensim, ... gensim reads the text the fastest way it has (`corpus_file`)
and runs its compiled code. Timed is training alone, by the wall clock and by CPU
seconds; building the vocabulary isn't, for either. The last line gives the medians
over the rounds of gensim's seconds / our seconds, and of our score - gensim's score.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import gensim
import numpy as np
from gensim.models import word2vec as gensim_word2vec

from helpers.datasets import load_class_mix, load_simlex999, load_wordsim353
from helpers.evaluate import evaluate_similarity
from helpers.text import Corpus
from helpers.vectors import WordVectors
from helpers.word2vec import train_word2vec

SETTINGS = {"dim": 100, "window": 5, "negatives": 5, "sample": 1e-3}
THREADS = 2


class Run(NamedTuple):
    wall: float  # seconds
    cpu: float  # seconds, all threads
    wordsim: float  # Spearman's rho
    simlex: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    if gensim_word2vec.FAST_VERSION < 0:
        raise SystemExit("gensim runs without its compiled code; install its wheel")

    corpus = Corpus.from_ids(*load_class_mix(), min_count=5)
    print(
        f"class mix: {len(corpus.ids):,} words, {len(corpus.vocabulary):,} distinct; "
        f"{SETTINGS | {'epochs': arguments.epochs, 'threads': THREADS}}; "
        f"gensim {gensim.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.txt"
        write_lines(corpus, path)
        pairs = []
        for seed in range(1, arguments.rounds + 1):
            ours = score("ours", *train_ours(corpus, arguments.epochs, seed))
            theirs = score("gensim", *train_gensim(path, arguments.epochs, seed))
            pairs.append((ours, theirs))

    def middle(compare: Callable[[Run, Run], float]) -> float:
        return median(compare(ours, theirs) for ours, theirs in pairs)

    print(f"cpu_ratio={middle(lambda a, b: b.cpu / a.cpu):.2f}")
    print(
        f"speed_ratio={middle(lambda a, b: b.wall / a.wall):.2f}",
        f"wordsim_delta={middle(lambda a, b: a.wordsim - b.wordsim):+.3f}",
        f"simlex_delta={middle(lambda a, b: a.simlex - b.simlex):+.3f}",
    )


def score(name: str, wall: float, cpu: float, vectors: WordVectors) -> Run:
    """Evaluate one run and print a line."""
    rhos = [
        evaluate_similarity(vectors, pairs).rho
        for pairs in (load_wordsim353(), load_simlex999())
    ]
    run = Run(wall, cpu, *rhos)
    print(
        f"{name:18} wall {run.wall:6.1f} s   cpu {run.cpu:6.1f} s   "
        f"WordSim-353 {run.wordsim:.3f}   SimLex-999 {run.simlex:.3f}",
        flush=True,
    )
    return run


def train_ours(
    corpus: Corpus, epochs: int, seed: int
) -> tuple[float, float, WordVectors]:
    """Return wall seconds, CPU seconds and the vectors."""
    clock = start_clock()
    trained = train_word2vec(
        corpus, seed=seed, epochs=epochs, threads=THREADS, **SETTINGS
    )
    return *clock(), trained.vectors


def train_gensim(
    path: Path, epochs: int, seed: int
) -> tuple[float, float, WordVectors]:
    """Return wall seconds, CPU seconds and the vectors."""
    model = gensim_word2vec.Word2Vec(
        sg=1,
        vector_size=SETTINGS["dim"],
        window=SETTINGS["window"],
        negative=SETTINGS["negatives"],
        sample=SETTINGS["sample"],
        min_count=1,  # the rare words are gone from the file
        workers=THREADS,
        seed=seed,
    )
    model.build_vocab(corpus_file=str(path))
    clock = start_clock()
    model.train(
        corpus_file=str(path),
        total_words=model.corpus_total_words,
        total_examples=model.corpus_count,
        epochs=epochs,
    )
    return *clock(), WordVectors(model.wv.index_to_key, model.wv.vectors)


def start_clock() -> Callable[[], tuple[float, float]]:
    """Return a function that tells the (wall, CPU) seconds since now."""
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: (time.perf_counter() - wall, time.process_time() - cpu)


def write_lines(corpus: Corpus, path: Path) -> None:
    """Write one document a line, as gensim's `corpus_file` wants it."""
    words = np.array(corpus.vocabulary.words, dtype=object)[corpus.ids]
    with path.open("w", encoding="utf-8") as lines:
        for start, end in zip(corpus.starts[:-1], corpus.starts[1:], strict=True):
            lines.write(" ".join(words[start:end]) + "\n")


if __name__ == "__main__":
    main()
