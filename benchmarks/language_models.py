"""Language models on WikiText-2: perplexity and training speed on the same tokens.

    python benchmarks/language_models.py [--epochs 3] [--long 7]

A modified Kneser-Ney 5-gram, Bengio's network, a vanilla RNN, a GRU, an LSTM, and an
LSTM with every trick of lecture 12, which trains for more epochs: the one that
`helpers.checkpoints` trains. All read 2,088,628 tokens of 33,278 types and are tested
on the same 245,569, "<unk>" and "<eos>" included, with probabilities that sum to one
over all types (the networks train on a sampled softmax, and are tested on the exact
one). Words/s is training, with a short validation after each epoch. The last line
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

from helpers.checkpoints import (
    BATCH,
    DIM,
    DROPOUT,
    EPOCHS,
    K1,
    SAMPLES,
    VALIDATED,
    ZERO,
)
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
from helpers.likelihood import mix, mixture_weights, perplexity
from helpers.lm_text import EOS, TokenStream, load_wikitext2_streams
from helpers.ngram import count_ngrams, modified_kneser_ney
from helpers.text import Vocabulary
from helpers.train import train

WORDS = BATCH * K1  # that an update learns from
# AdaGrad's first step moves every weight by the whole rate. Without a cell that keeps
# its content, 0.1 drives the units into saturation.
RATES = {"rnn": 0.02, "gru": 0.05, "lstm": 0.1}
CONTEXT = 4  # words that Bengio's network sees, as the 5-gram does
KNESER_NEY, LONG = "KN 5-gram", "LSTM + tricks"


class Task(NamedTuple):
    vocabulary: Vocabulary
    streams: dict[str, TokenStream]
    device: torch.device

    @property
    def eos(self) -> int:
        return self.vocabulary[EOS]


class Result(NamedTuple):
    score: Callable[[TokenStream], NDArray[np.float64]]  # log p of each token
    test: NDArray[np.float64]  # that of "test"
    seconds: float  # of training
    words: int  # trained on, epochs counted

    @property
    def perplexity(self) -> float:
        return perplexity(self.test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--long", type=int, default=EPOCHS, help=f"epochs of {LONG}")
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
            train_recurrent, task, arguments.long, cell="lstm", dropout=DROPOUT
        ),
    }
    print(f"{'model':14}{'test perplexity':>16}{'words/s':>12}{'minutes':>9}")
    results = {}
    for name, run in models.items():
        results[name] = result = run()
        print(
            f"{name:14}{result.perplexity:16.1f}"
            f"{result.words / result.seconds:12,.0f}{result.seconds / 60:9.1f}",
            flush=True,
        )
    kn, long = results[KNESER_NEY], results[LONG]
    both = interpolated_perplexity(task, kn, long)
    print(f"{KNESER_NEY} and {LONG}, interpolated: {both:.1f}")
    print(
        f"kneser_ney={kn.perplexity:.1f} lstm={long.perplexity:.1f}",
        f"interpolated={both:.1f} minutes={long.seconds / 60:.1f}",
        f"perplexity_ratio={long.perplexity / kn.perplexity:.3f}",
    )


def train_kneser_ney(task: Task) -> Result:
    """The 5-gram of lecture 07."""
    text = task.streams["train"]
    size = len(task.vocabulary)
    begin = time.perf_counter()
    counts = count_ngrams(text.ids, 5, vocabulary_size=size, starts=text.starts)
    model = modified_kneser_ney(counts)
    seconds = time.perf_counter() - begin

    def score(stream: TokenStream) -> NDArray[np.float64]:
        return model.log_probabilities(stream.ids, stream.starts)

    return Result(score, score(task.streams["test"]), seconds, len(text.ids))


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
        batch_size=WORDS,
        generator=torch.Generator().manual_seed(0),
    )
    steps = math.ceil(len(ids) / WORDS)
    measure = partial(feedforward_log_probabilities, model, start=task.eos)
    return fit(task, model, losses, steps, epochs, measure, rate=0.1)


def train_recurrent(
    task: Task, epochs: int, *, cell: str, dropout: Dropout | None = None
) -> Result:
    """One recurrent layer, tied embeddings, carried state."""
    torch.manual_seed(0)
    model = RecurrentLanguageModel(
        len(task.vocabulary), DIM, cell=cell, dropout=dropout
    ).to(task.device)
    columns = in_columns(task.streams["train"].ids, BATCH).to(task.device)
    losses = partial(
        recurrent_losses,
        model,
        columns,
        objective(task),
        k1=K1,
        zero=ZERO if dropout else 0.0,
        generator=torch.Generator().manual_seed(0),
    )
    steps = math.ceil((len(columns) - 1) / K1)
    measure = partial(recurrent_log_probabilities, model, start=task.eos)
    return fit(task, model, losses, steps, epochs, measure, rate=RATES[cell])


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
    rate: float,
) -> Result:
    """Train with AdaGrad, the rate falling to zero."""
    validated = task.streams["valid"].ids[:VALIDATED]
    begin = time.perf_counter()
    train(
        model,
        lambda epoch: losses(),
        lambda: -measure(ids=validated).mean(),
        Adagrad(model.parameters(), rate),
        epochs=epochs,
        steps=steps,
        clip=1.0,
        schedule=lambda done: 1 - done,
    )
    seconds = time.perf_counter() - begin

    def score(stream: TokenStream) -> NDArray[np.float64]:
        return measure(ids=stream.ids)

    words = epochs * len(task.streams["train"].ids)
    return Result(score, score(task.streams["test"]), seconds, words)


def interpolated_perplexity(task: Task, *results: Result) -> float:
    """Test perplexity of the weighted mean, with weights fitted on "valid"."""
    valid = np.stack([r.score(task.streams["valid"]) for r in results], axis=1)
    test = np.stack([r.test for r in results], axis=1)
    return perplexity(mix(test, mixture_weights(valid)))


if __name__ == "__main__":
    main()
