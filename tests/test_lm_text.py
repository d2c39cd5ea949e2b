from collections import Counter

import numpy as np
import pytest

from helpers.lm_text import closed_vocabulary, encode_lines, load_wikitext2_streams
from helpers.text import Vocabulary

LINES = [["a", "b", "a", "c"], [], ["b", "a", "d", "b", "<unk>"]]


def test_rare_words_become_unknown_and_lines_are_closed():
    vocabulary = closed_vocabulary(LINES, min_count=2)
    assert vocabulary.words == ["<eos>", "<unk>", "a", "b"]
    stream = encode_lines([*LINES, ["new", "b"]], vocabulary)
    words = " ".join(vocabulary.decode(stream.ids))
    assert words == ("a b a <unk> <eos> <eos> b a <unk> b <unk> <eos> <unk> b <eos>")
    assert stream.starts.tolist() == [0, 5, 6, 12, 15]


def test_counts_are_those_of_the_encoded_text():
    rng = np.random.default_rng(0)
    lines = [[f"w{i}" for i in rng.geometric(0.1, size=n)] for n in (0, 30, 1, 70)]
    for min_count in (1, 4):
        vocabulary = closed_vocabulary(lines, min_count)
        ids = encode_lines(lines, vocabulary).ids
        counts = np.bincount(ids, minlength=len(vocabulary))
        np.testing.assert_array_equal(vocabulary.counts, counts)
        kept = Counter(w for line in lines for w in line)
        assert len(vocabulary) == 2 + sum(n >= min_count for n in kept.values())


def test_an_open_vocabulary_is_refused():
    with pytest.raises(KeyError, match="<unk>"):
        encode_lines(LINES, Vocabulary.from_tokens("abcd"))


@pytest.mark.data
def test_wikitext2_has_its_published_size():
    """Merity et al. (2016), table 1, plus an end at each line."""
    vocabulary, streams = load_wikitext2_streams()
    assert len(vocabulary) == 33278
    sizes = {name: len(stream.ids) for name, stream in streams.items()}
    assert sizes == {"train": 2088628, "valid": 217646, "test": 245569}
    unknown = np.mean(streams["train"].ids == vocabulary["<unk>"])
    assert unknown == pytest.approx(0.026, abs=5e-4)  # out of vocabulary: 2.6 %
