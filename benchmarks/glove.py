"""GloVe, ours, beside skip-gram, gensim's, on the same text.

    python benchmarks/glove.py [--rounds 3] [--epochs 15] [--skipgram-epochs 5]

Both learn vectors of length 100 from the class mix with two threads, in turn: ours,
gensim, ours, gensim, ... GloVe counts pairs at most 10 words apart and trains on the
counts; both are timed. Skip-gram has a window of 5. gensim reads the text the fastest
way it has (`corpus_file`) and runs its compiled code. Building the vocabulary isn't
timed, for either. The last line gives the medians over the rounds of gensim's
seconds / our seconds, of our score - gensim's score, and of the non-zero counts that
training (without counting) takes in a second.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import gensim
from gensim.models import word2vec as gensim_word2vec
from word2vec import (
    SETTINGS,
    THREADS,
    Run,
    score,
    start_clock,
    train_gensim,
    write_lines,
)

from helpers.counts import cooccurrence
from helpers.datasets import load_class_mix
from helpers.glove import train_glove
from helpers.text import Corpus
from helpers.vectors import WordVectors

WINDOW = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--skipgram-epochs", type=int, default=5)
    arguments = parser.parse_args()
    if gensim_word2vec.FAST_VERSION < 0:
        raise SystemExit("gensim runs without its compiled code; install its wheel")

    corpus = Corpus.from_ids(*load_class_mix(), min_count=5)
    print(
        f"class mix: {len(corpus.ids):,} words, {len(corpus.vocabulary):,} distinct; "
        f"{vars(arguments)}; {THREADS} threads; gensim {gensim.__version__}"
    )
    pairs, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.txt"
        write_lines(corpus, path)
        for seed in range(1, arguments.rounds + 1):
            wall, cpu, rate, vectors = train_ours(corpus, arguments.epochs, seed)
            ours = score("GloVe, ours", wall, cpu, vectors)
            theirs = train_gensim(path, arguments.skipgram_epochs, seed)
            pairs.append((ours, score("skip-gram, gensim", *theirs)))
            rates.append(rate)

    def middle(compare: Callable[[Run, Run], float]) -> float:
        return median(compare(ours, theirs) for ours, theirs in pairs)

    print(f"cpu_ratio={middle(lambda a, b: b.cpu / a.cpu):.2f}")
    print(
        f"speed_ratio={middle(lambda a, b: b.wall / a.wall):.2f}",
        f"wordsim_delta={middle(lambda a, b: a.wordsim - b.wordsim):+.3f}",
        f"simlex_delta={middle(lambda a, b: a.simlex - b.simlex):+.3f}",
        f"nonzeros_per_second={median(rates):.0f}",
    )


def train_ours(
    corpus: Corpus, epochs: int, seed: int
) -> tuple[float, float, float, WordVectors]:
    """Return wall and CPU seconds, non-zeros per second of training, the vectors."""
    clock = start_clock()
    counts = cooccurrence(corpus, WINDOW, weighting="harmonic")
    counted, _ = clock()
    model = train_glove(
        counts,
        corpus.vocabulary,
        seed=seed,
        dim=SETTINGS["dim"],
        epochs=epochs,
        threads=THREADS,
    )
    wall, cpu = clock()
    rate = epochs * counts.nnz / (wall - counted)
    print(
        f"{counts.nnz:,} non-zeros counted in {counted:.1f} s, {rate:,.0f} per second"
    )
    return wall, cpu, rate, model.vectors


if __name__ == "__main__":
    main()
