"""Language models on WikiText-2: perplexity and training speed on the same tokens.

    python benchmarks/language_models.py [--epochs 3] [--long 10]

A modified Kneser-Ney 5-gram, Bengio's network, a vanilla RNN, a GRU, an LSTM, and an
LSTM with every trick of lecture 12, which trains for more epochs. All read 2,088,628
tokens of 33,278 types and are tested on the same 245,569, "<unk>" and "<eos>" included,
with probabilities that sum to one over all types (the networks train on a sampled
softmax, and are tested on the exact one). Words/s is training alone. The last line
compares the long-trained LSTM with the 5-gram, alone and interpolated.
"""

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim import Adagrad

from helpers.device import get_device
from helpers.language_model import (
    Dropout,
    FeedForwardLanguageModel,
    Objective,
    RecurrentLanguageModel,
    feedforward_log_probabilities,
    feedforward_losses,
    in_columns,
    recurrent_log_probabilities,
    recurrent_losses,
)
from helpers.lm_text import EOS, TokenStream, load_wikitext2_streams
from helpers.ngram import count_ngrams, modified_kneser_ney
from helpers.text import Vocabulary
from helpers.train import train

DIM = 200
SAMPLES = 1024
COLUMNS, K1 = 32, 35
BATCH = 1120  # words an update, as many as COLUMNS * K1
CONTEXT = 4  # words that Bengio's network sees, as the 5-gram does
TRICKS = Dropout(words=0.05, inputs=0.2, outputs=0.2, recurrent=0.1)
KNESER_NEY, LONG = "KN 5-gram", "LSTM + tricks"


class Task(NamedTuple):
    vocabulary: Vocabulary
    streams: dict[str, TokenStream]
    device: torch.device

    @property
    def eos(self) -> int:
        return self.vocabulary[EOS]


class Result(NamedTuple):
    log_probabilities: dict[str, NDArray[np.float64]]  # of "valid" and "test"
    seconds: float  # of training
    words: int  # trained on, epochs counted

    def perplexity(self, split: str = "test") -> float:
        return float(np.exp(-self.log_probabilities[split].mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--long", type=int, default=10, help=f"epochs of {LONG}")
    arguments = parser.parse_args()
    task = Task(*load_wikitext2_streams(), get_device())
    recurrent = partial(train_recurrent, task, arguments.epochs)
    models: dict[str, Callable[[], Result]] = {
        KNESER_NEY: partial(train_kneser_ney, task),
        "Bengio": partial(train_bengio, task, arguments.epochs),
        "RNN": partial(recurrent, cell="rnn"),
        "GRU": partial(recurrent, cell="gru"),
        "LSTM": partial(recurrent, cell="lstm"),
        LONG: partial(
            train_recurrent, task, arguments.long, cell="lstm", dropout=TRICKS
        ),
    }
    print(f"{'model':14}{'test perplexity':>16}{'words/s':>12}{'minutes':>9}")
    results = {}
    for name, run in models.items():
        results[name] = result = run()
        print(
            f"{name:14}{result.perplexity():16.1f}"
            f"{result.words / result.seconds:12,.0f}{result.seconds / 60:9.1f}",
            flush=True,
        )
    kn, long = results[KNESER_NEY], results[LONG]
    both = interpolated_perplexity(kn, long)
    print(f"{KNESER_NEY} and {LONG}, interpolated: {both:.1f}")
    print(
        f"kneser_ney={kn.perplexity():.1f} lstm={long.perplexity():.1f}",
        f"interpolated={both:.1f} minutes={long.seconds / 60:.1f}",
        f"perplexity_ratio={long.perplexity() / kn.perplexity():.3f}",
    )


def train_kneser_ney(task: Task) -> Result:
    """The 5-gram of lecture 07."""
    text = task.streams["train"]
    size = len(task.vocabulary)
    begin = time.perf_counter()
    counts = count_ngrams(text.ids, 5, vocabulary_size=size, starts=text.starts)
    model = modified_kneser_ney(counts)
    seconds = time.perf_counter() - begin
    tested = {
        name: model.log_probabilities(task.streams[name].ids, task.streams[name].starts)
        for name in ("valid", "test")
    }
    return Result(tested, seconds, len(text.ids))


def train_bengio(task: Task, epochs: int) -> Result:
    """Bengio et al. (2003): the same four words of context, a skip-layer connection."""
    torch.manual_seed(0)
    model = FeedForwardLanguageModel(
        len(task.vocabulary), DIM, 2 * DIM, CONTEXT, dropout=0.2
    ).to(task.device)
    ids = task.streams["train"].ids
    losses = partial(
        feedforward_losses,
        model,
        ids,
        objective(task),
        start=task.eos,
        batch_size=BATCH,
        generator=torch.Generator().manual_seed(0),
    )
    steps = math.ceil(len(ids) / BATCH)
    measure = partial(feedforward_log_probabilities, model, start=task.eos)
    return fit(task, model, losses, steps, epochs, measure)


def train_recurrent(
    task: Task, epochs: int, *, cell: str, dropout: Dropout | None = None
) -> Result:
    """One recurrent layer, tied embeddings, carried state."""
    torch.manual_seed(0)
    model = RecurrentLanguageModel(
        len(task.vocabulary), DIM, cell=cell, dropout=dropout
    ).to(task.device)
    columns = in_columns(task.streams["train"].ids, COLUMNS).to(task.device)
    losses = partial(
        recurrent_losses,
        model,
        columns,
        objective(task),
        k1=K1,
        zero=0.01 if dropout else 0.0,
        generator=torch.Generator().manual_seed(0),
    )
    steps = math.ceil((len(columns) - 1) / K1)
    measure = partial(recurrent_log_probabilities, model, start=task.eos)
    return fit(task, model, losses, steps, epochs, measure)


def objective(task: Task) -> Objective:
    counts = task.vocabulary.counts
    return Objective(counts, SAMPLES, seed=0, device=task.device)


def fit(
    task: Task,
    model: torch.nn.Module,
    losses: Callable,
    steps: int,
    epochs: int,
    measure: Callable[..., NDArray[np.float64]],
) -> Result:
    """Train with AdaGrad, the rate falling to zero; validation is not timed."""
    validating = 0.0

    def validate() -> float:
        nonlocal validating
        begin = time.perf_counter()
        loss = -measure(ids=task.streams["valid"].ids).mean()
        validating += time.perf_counter() - begin
        return float(loss)

    begin = time.perf_counter()
    train(
        model,
        lambda epoch: losses(),
        validate,
        Adagrad(model.parameters(), 0.1),
        epochs=epochs,
        steps=steps,
        clip=1.0,
        schedule=lambda done: 1 - done,
    )
    seconds = time.perf_counter() - begin - validating
    tested = {name: measure(ids=task.streams[name].ids) for name in ("valid", "test")}
    return Result(tested, seconds, epochs * len(task.streams["train"].ids))


def interpolated_perplexity(a: Result, b: Result) -> float:
    """Test perplexity of w p_a + (1 - w) p_b, with w chosen on "valid"."""

    def mixed(split: str, w: float) -> float:
        pair = a.log_probabilities[split], b.log_probabilities[split]
        return -np.logaddexp(np.log(w) + pair[0], np.log1p(-w) + pair[1]).mean()

    weights = np.linspace(0.02, 0.98, 49)
    best = min(weights, key=partial(mixed, "valid"))
    return float(np.exp(mixed("test", best)))


if __name__ == "__main__":
    main()
