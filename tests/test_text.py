from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.text import (
    Corpus,
    Vocabulary,
    loop_window_pairs,
    tokenize,
    window_pairs,
)

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("... -- !?", []),
        ("The cat SAT.", ["the", "cat", "sat"]),
        ("Don't stop at five o'clock", ["don't", "stop", "at", "five", "o'clock"]),
        ("it\u2019s", ["it's"]),
        ("the dogs' 'quoted' words", ["the", "dogs", "quoted", "words"]),
        ("well-known @-@ state_of", ["well", "known", "state", "of"]),
        (
            "In 1913, a co\u00f6p \u00c9lan",
            ["in", "1913", "a", "co\u00f6p", "\u00e9lan"],
        ),
    ],
)
def test_tokenize_examples(text, words):
    assert tokenize(text) == words


@settings(deadline=None)
@given(st.text())
def test_tokens_are_lower_case_and_tokenize_to_themselves(text):
    for token in tokenize(text):
        assert tokenize(token) == [token]


@settings(deadline=None)
@given(st.lists(WORDS), st.integers(1, 4))
def test_vocabulary_counts_and_orders(tokens, min_count):
    vocabulary = Vocabulary.from_tokens(tokens, min_count)
    counts = {w: n for w, n in Counter(tokens).items() if n >= min_count}
    assert (
        dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == counts
    )
    assert vocabulary.counts.dtype == np.int64
    order = [(-counts[w], w) for w in vocabulary.words]
    assert order == sorted(order)
    ids = vocabulary.encode(tokens)
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == [t for t in tokens if t in counts]


def test_vocabulary_looks_words_up():
    vocabulary = Vocabulary.from_tokens(["b", "a", "a"])
    assert len(vocabulary) == 2
    assert vocabulary["a"] == 0
    assert "c" not in vocabulary
    with pytest.raises(KeyError, match="'c' is not among the 2 words"):
        vocabulary["c"]


@settings(deadline=None)
@given(DOCUMENTS, st.integers(1, 4))
def test_a_numbered_corpus_equals_one_built_from_documents(documents, min_count):
    full = Corpus.from_documents(documents)
    words, ids, starts = full.vocabulary.words, full.ids, full.starts
    got = Corpus.from_ids(words, ids, starts, min_count)
    wanted = Corpus.from_documents(documents, min_count)
    assert got.vocabulary.words == wanted.vocabulary.words
    for a, b in [
        (got.vocabulary.counts, wanted.vocabulary.counts),
        (got.ids, wanted.ids),
        (got.starts, wanted.starts),
    ]:
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_corpus_in_any_numbering_is_sorted_by_count():
    rng = np.random.default_rng(3)
    words = [f"w{i}" for i in range(12)]
    ids = rng.choice(12, 300, p=rng.dirichlet(np.ones(12))).astype(np.int32)
    starts = np.array([0, 120, 120, 300])
    got = Corpus.from_ids(words, ids, starts, min_count=5)
    wanted = Counter(words[i] for i in ids)
    assert list(got.vocabulary.counts) == sorted(got.vocabulary.counts, reverse=True)
    assert dict(zip(got.vocabulary.words, got.vocabulary.counts, strict=True)) == {
        word: n for word, n in wanted.items() if n >= 5
    }
    for d in range(3):
        kept = [words[i] for i in ids[starts[d] : starts[d + 1]]]
        kept = [word for word in kept if wanted[word] >= 5]
        document = got.ids[got.starts[d] : got.starts[d + 1]]
        assert got.vocabulary.decode(document) == kept


def test_ties_of_a_numbered_corpus_stay_in_order():
    words = [f"w{i}" for i in range(300)]
    ids = np.r_[np.arange(300), np.arange(0, 300, 3)]
    got = Corpus.from_ids(words, ids, np.array([0, len(ids)])).vocabulary.words
    assert got == words[::3] + [word for i, word in enumerate(words) if i % 3]


@settings(deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 4))
def test_window_pairs_equal_the_loop_on_each_document(lengths, window):
    starts = np.cumsum([0, *lengths])
    wanted = [
        (start + a, start + b)
        for start, n in zip(starts, lengths, strict=False)
        for a, b in loop_window_pairs(n, window)
    ]
    got = window_pairs(starts, window)
    assert got.shape == (len(wanted), 2)
    assert [tuple(pair) for pair in got.tolist()] == wanted


def test_window_pairs_with_a_window_for_each_center():
    pairs = window_pairs(np.array([0, 4]), np.array([1, 2, 1, 3]))
    contexts = {c: pairs[pairs[:, 0] == c, 1].tolist() for c in range(4)}
    assert contexts == {0: [1], 1: [0, 2, 3], 2: [1, 3], 3: [0, 1, 2]}
