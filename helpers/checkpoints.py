"""An LSTM language model that trained for longer than a lecture may take.

    python -m helpers.checkpoints      # or: make checkpoints; ten minutes on two cores
    longer = load_longer_lstm(33_278)  # types of WikiText-2; None before that

No notebook needs it: lecture 12 tells what it reaches, where it is there.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator
from torch.optim import Adagrad

from helpers.datasets.catalog import cache_folder
from helpers.device import get_device
from helpers.language_model import (
    Dropout,
    Objective,
    RecurrentLanguageModel,
    in_columns,
    recurrent_log_probabilities,
    recurrent_losses,
)
from helpers.lm_text import EOS, TokenStream, load_wikitext2_streams
from helpers.text import Vocabulary
from helpers.train import save, train

DIM, BATCH, K1, EPOCHS, SAMPLES = 200, 32, 35, 7, 1024
DROPOUT = Dropout(words=0.05, inputs=0.2, outputs=0.2, recurrent=0.1)
ZERO = 0.01  # of the carried states, set to zero before an update
VALIDATED = 20_000  # tokens of "valid" after each epoch


class LongerLSTM(NamedTuple):
    """A trained model, and what it says of WikiText-2.

    Attributes:
        model: in evaluation mode.
        valid, test: natural logarithms of the tokens' probabilities, float32.
    """

    model: RecurrentLanguageModel
    valid: NDArray[np.float32]
    test: NDArray[np.float32]


def longer_lstm_path() -> Path:
    """Return the file that `train_longer_lstm` writes."""
    return cache_folder() / "checkpoints" / "lstm-wikitext-2.pt"


def load_longer_lstm(vocabulary_size: int) -> LongerLSTM | None:
    """Return the model that trained longer, None where nobody has trained it."""
    path = longer_lstm_path()
    if not path.exists():
        return None
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model = RecurrentLanguageModel(vocabulary_size, DIM, dropout=DROPOUT)
    model.load_state_dict(saved["model"])
    model.eval()
    return LongerLSTM(model, saved["valid"].numpy(), saved["test"].numpy())


def train_longer_lstm(
    vocabulary: Vocabulary, streams: dict[str, TokenStream], *, epochs: int = EPOCHS
) -> None:
    """Train an LSTM with all of lecture 12's tricks and write `longer_lstm_path()`.

    A run that was stopped continues from its last whole epoch.

    Args:
        vocabulary: with "<eos>".
        streams: "train", "valid" and "test".
        epochs: passes over "train".
    """
    torch.manual_seed(0)
    path = longer_lstm_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    device = get_device()
    model = RecurrentLanguageModel(len(vocabulary), DIM, dropout=DROPOUT).to(device)
    columns = in_columns(streams["train"].ids, BATCH).to(device)
    objective = Objective(vocabulary.counts, SAMPLES, seed=0, device=device)
    generator = Generator().manual_seed(0)

    def score(ids: NDArray[np.integer]) -> NDArray[np.float64]:
        return recurrent_log_probabilities(model, ids, start=vocabulary[EOS])

    running = path.with_name("lstm-wikitext-2-running.pt")
    train(
        model,
        lambda epoch: recurrent_losses(
            model, columns, objective, k1=K1, zero=ZERO, generator=generator
        ),
        lambda: -score(streams["valid"].ids[:VALIDATED]).mean(),
        Adagrad(model.parameters(), lr=0.1),
        epochs=epochs,
        steps=math.ceil((len(columns) - 1) / K1),
        clip=1.0,
        schedule=lambda done: 1 - done,
        checkpoint=running,
    )
    scores = {
        name: torch.from_numpy(score(streams[name].ids)).float()
        for name in ("valid", "test")
    }
    save({"model": model.state_dict(), **scores}, path)
    running.unlink()


if __name__ == "__main__":
    train_longer_lstm(*load_wikitext2_streams())
