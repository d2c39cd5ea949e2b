"""n-gram language models on WikiText-2: ours, KenLM and nltk.

    pip install -e ".[benchmarks]"      # kenlm; nltk is here already
    python benchmarks/ngram.py [--order 5] [--rounds 3] [--lmplz PATH]

Perplexity: modified Kneser-Ney of ours and of KenLM (Heafield et al. 2013), trained on
all of the training split and asked for every token of the test split, line by line.
Both read the same 33,278 words, among them the one that rare words were replaced by;
KenLM reserves one more, its "<unk>", which occurs in neither text, so ours gets it too.

Speed: CPU seconds, on one thread, from lines of words to a trained model, on the first
12,000 lines; nltk.lm would take several GB for all. Ours and nltk take turns; a figure
is the median of the rounds, a ratio the median of the rounds' ratios. nltk's training
only counts, ours ends with every probability.

KenLM's Python package can ask a model and not estimate one. That takes its C++ program
lmplz: the one given, the one on PATH, or one that this script builds from the package's
sources, once, in `datasets/cache/tools`, with cmake and Boost from PyPI. It needs a C++
compiler, as installing kenlm does.

The last line ends with

    perplexity_ratio=…   ours / KenLM's
    speed_ratio=…        nltk's time to train / ours
"""

import argparse
import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import shutil
import subprocess
import sys
import tarfile
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import kenlm
import numpy as np
from nltk.lm import KneserNeyInterpolated
from nltk.lm.preprocessing import padded_everygram_pipeline
from numpy.typing import NDArray

from helpers.datasets.catalog import cache_folder
from helpers.likelihood import perplexity
from helpers.lm_text import UNK, TokenStream, encode_lines, load_wikitext2_streams
from helpers.ngram import NGramModel, count_ngrams, modified_kneser_ney
from helpers.text import Vocabulary

RARE = "<rare>"  # stands for "<unk>" in KenLM's text, where that name is taken
LINES = 12_000
BOOST_PLACES = ("Boost_ROOT", "CMAKE_PREFIX_PATH")
TOOLS = ("cmake", "cmeel-boost<1.89")  # KenLM asks for boost_system, gone in 1.89


def words_of(stream: TokenStream, vocabulary: Vocabulary) -> list[list[str]]:
    """Lines of words without "<eos>"."""
    return [
        vocabulary.decode(stream.ids[a : b - 1]) for a, b in pairwise(stream.starts)
    ]


def train_ours(
    lines: list[list[str]], vocabulary: Vocabulary, order: int
) -> NGramModel:
    """Train on lines of words, with one word more than the vocabulary holds."""
    ids, starts = encode_lines(lines, vocabulary)
    return modified_kneser_ney(count_ngrams(ids, order, len(vocabulary) + 1, starts))


def train_nltk(lines: list[list[str]], order: int) -> KneserNeyInterpolated:
    model = KneserNeyInterpolated(order)
    model.fit(*padded_everygram_pipeline(order, lines))
    return model


def find_lmplz(given: Path | None) -> Path:
    """Return the path of KenLM's estimator, building it if there is none."""
    folder = cache_folder() / "tools" / f"kenlm-{version('kenlm')}"
    built = folder / "build" / "bin" / "lmplz"
    if given or shutil.which("lmplz"):
        return given or Path(shutil.which("lmplz"))
    if not built.exists():
        print(f"building KenLM's lmplz in {folder}", file=sys.stderr)
        build_lmplz(folder)
    return built


def build_lmplz(folder: Path) -> None:
    """Compile lmplz from kenlm's source distribution; a failure leaves no folder."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source, tools, build = (folder / name for name in ("source", "tools", "build"))
    package = ["--no-deps", "--no-binary", "kenlm", f"kenlm=={version('kenlm')}"]
    boost = [f"-D{name}={tools}/cmeel.prefix" for name in BOOST_PLACES]
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run([*pip, "download", "--dest", folder, *package])
        with tarfile.open(next(folder.glob("kenlm-*.tar.gz"))) as archive:
            archive.extractall(source, filter="data")
        run([*pip, "install", "--no-deps", "--target", tools, *TOOLS])
        cmake = next(tools.glob("cmake/data/bin/cmake*"))
        run([cmake, "-S", next(source.iterdir()), "-B", build, *boost])
        run([cmake, "--build", build, "--target", "lmplz", "--parallel", "2"])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def run(command: list[str | Path]) -> None:
    """Run a command quietly; exit with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n{command[0]} failed; build "
            "KenLM's lmplz by hand (https://github.com/kpu/kenlm) and pass --lmplz PATH"
        )


def kenlm_log_probabilities(
    train: list[list[str]], test: list[list[str]], order: int, lmplz: Path
) -> tuple[NDArray[np.float64], float]:
    """Train KenLM on lines and ask for every token of others.

    Returns:
        (n,) natural log-probabilities, each line's end included, and the CPU seconds
        that lmplz took.
    """

    def text(line: list[str]) -> str:
        return " ".join(line).replace(UNK, RARE)

    with TemporaryDirectory() as folder:
        corpus, arpa = Path(folder, "train.txt"), Path(folder, "model.arpa")
        corpus.write_text("".join(text(line) + "\n" for line in train), "utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        files = ["--text", corpus, "--arpa", arpa, "-T", folder]
        run([lmplz, "-o", str(order), "-S", "1G", *files])
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        model = kenlm.LanguageModel(str(arpa))
    log10 = [score for line in test for score, *_ in model.full_scores(text(line))]
    return np.array(log10) * np.log(10), seconds


def cpu_seconds(call: object, *arguments: object) -> float:
    gc.collect()
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--order", type=int, default=5, help="longest n-grams")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each")
    parser.add_argument("--lmplz", type=Path, help="KenLM's estimator")
    options = parser.parse_args()
    lmplz = find_lmplz(options.lmplz)
    vocabulary, streams = load_wikitext2_streams()
    train, test = (words_of(streams[part], vocabulary) for part in ("train", "test"))

    print(f"Modified Kneser-Ney of order {options.order}, trained on WikiText-2")
    ours = train_ours(train, vocabulary, options.order)
    ours_log_p = ours.log_probabilities(*streams["test"])
    theirs_log_p, seconds = kenlm_log_probabilities(train, test, options.order, lmplz)
    for name, log_p in (("ours", ours_log_p), ("KenLM", theirs_log_p)):
        print(f"  {name:6} perplexity {perplexity(log_p):.4f} of {len(log_p):,} tokens")
    perplexity_ratio = perplexity(ours_log_p) / perplexity(theirs_log_p)
    gap = np.abs(ours_log_p - theirs_log_p).max()
    print(f"  largest difference of a token's log-probability: {gap:.1e}")
    whole = cpu_seconds(train_ours, train, vocabulary, options.order)
    print(f"  CPU seconds to train: ours {whole:.2f}, KenLM's lmplz {seconds:.2f}")

    lines = train[:LINES]
    print(f"Training on the first {LINES:,} lines, {sum(map(len, lines)):,} words")
    seconds = {"ours": [], "nltk": []}
    for _ in range(options.rounds):
        seconds["ours"].append(
            cpu_seconds(train_ours, lines, vocabulary, options.order)
        )
        seconds["nltk"].append(cpu_seconds(train_nltk, lines, options.order))
    for name, times in seconds.items():
        print(f"  {name:6} {np.median(times):7.2f} CPU seconds")
    speed_ratio = np.median(np.divide(seconds["nltk"], seconds["ours"]))
    print(
        f"ours beside KenLM and nltk: perplexity_ratio={perplexity_ratio:.6f} "
        f"speed_ratio={speed_ratio:.1f}"
    )


if __name__ == "__main__":
    main()
