"""A tiny text stands in for WikiText-2: what is trained is what is loaded."""

import numpy as np
import pytest
import torch

from helpers import checkpoints
from helpers.language_model import recurrent_log_probabilities
from helpers.lm_text import EOS, closed_vocabulary, encode_lines


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    words = np.array(["a", "b", "c", "d"])
    rng = np.random.default_rng(0)
    lines = [words[rng.integers(4, size=9)].tolist() for _ in range(40)]
    vocabulary = closed_vocabulary(lines)
    parts = {"train": lines, "valid": lines[:5], "test": lines[5:9]}
    return vocabulary, {k: encode_lines(v, vocabulary) for k, v in parts.items()}


def test_none_before_it_was_trained(text):
    assert checkpoints.load_longer_lstm(len(text[0])) is None


def test_loads_the_model_and_its_scores(text, tmp_path):
    vocabulary, streams = text
    checkpoints.train_longer_lstm(vocabulary, streams, epochs=2)
    loaded = checkpoints.load_longer_lstm(len(vocabulary))
    assert not loaded.model.training
    for part in ("valid", "test"):
        ids = streams[part].ids
        expected = recurrent_log_probabilities(loaded.model, ids, start=vocabulary[EOS])
        got = getattr(loaded, part)
        assert got.shape == ids.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    files = [path.name for path in tmp_path.rglob("*.pt*")]
    assert files == ["lstm-wikitext-2.pt"]


def test_validates_on_a_part_and_trains_alike_each_time(text, monkeypatch):
    vocabulary, streams = text
    scored = []

    def watch(model, ids, **options):
        scored.append(ids)
        return recurrent_log_probabilities(model, ids, **options)

    monkeypatch.setattr(checkpoints, "recurrent_log_probabilities", watch)
    monkeypatch.setattr(checkpoints, "VALIDATED", 7)
    tests = []
    for _ in range(2):
        checkpoints.train_longer_lstm(vocabulary, streams, epochs=1)
        tests.append(checkpoints.load_longer_lstm(len(vocabulary)).test)
    np.testing.assert_array_equal(*tests)
    valid, test = streams["valid"].ids, streams["test"].ids
    for got, want in zip(scored, 2 * [valid[:7], valid, test], strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_stopped_run_goes_on(text, monkeypatch):
    vocabulary, streams = text
    scored = []

    def stop_in_second_validation(*args, **options):
        scored.append("validation or test")
        if len(scored) == 2:
            raise KeyboardInterrupt
        return recurrent_log_probabilities(*args, **options)

    monkeypatch.setattr(
        checkpoints, "recurrent_log_probabilities", stop_in_second_validation
    )
    with pytest.raises(KeyboardInterrupt):
        checkpoints.train_longer_lstm(vocabulary, streams, epochs=3)
    assert checkpoints.load_longer_lstm(len(vocabulary)) is None
    checkpoints.train_longer_lstm(vocabulary, streams, epochs=3)
    # The first epoch is not trained again: two more end, then two parts are scored.
    assert len(scored) == 2 + 2 + 2
    again = checkpoints.load_longer_lstm(len(vocabulary))
    assert torch.isfinite(torch.from_numpy(again.test)).all()
