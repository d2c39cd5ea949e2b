from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.util import skipgrams
from sklearn.feature_extraction.text import CountVectorizer

from helpers import counts
from helpers.counts import cooccurrence, loop_cooccurrence
from helpers.text import Corpus

WORDS = st.sampled_from(["a", "b", "c", "d", "e"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=6)


def random_corpus(seed, words=300, documents=40, size=30):
    """Random words of unequal frequency in documents of unequal length."""
    rng = np.random.default_rng(seed)
    tokens = rng.zipf(1.5, size=words).clip(max=size).astype(str).tolist()
    edges = [0, *sorted(rng.integers(0, words + 1, size=documents - 1)), words]
    return Corpus.from_documents([tokens[a:b] for a, b in pairwise(edges)])


def documents_of(corpus):
    """The documents as lists of words."""
    bounds = pairwise(corpus.starts)
    return [corpus.vocabulary.decode(corpus.ids[a:b]) for a, b in bounds]


@settings(deadline=None)
@given(DOCUMENTS, st.integers(1, 9), st.sampled_from(["flat", "harmonic"]))
def test_cooccurrence_is_the_plain_loop(documents, window, weighting):
    corpus = Corpus.from_documents(documents)
    fast = cooccurrence(corpus, window, weighting=weighting)
    slow = loop_cooccurrence(corpus, window, weighting=weighting)
    assert fast.shape == slow.shape
    np.testing.assert_allclose(fast.toarray(), slow, rtol=1e-6)
    np.testing.assert_array_equal(fast.toarray(), fast.T.toarray())


@pytest.mark.parametrize("pairs", [1, 7, 64])
@pytest.mark.parametrize("weighting", ["flat", "harmonic"])
def test_pieces_of_the_text_add_up(monkeypatch, pairs, weighting):
    corpus = random_corpus(1)
    whole = cooccurrence(corpus, 4, weighting=weighting)
    monkeypatch.setattr(counts, "_PAIRS", pairs)
    pieces = cooccurrence(corpus, 4, weighting=weighting)
    np.testing.assert_allclose(pieces.toarray(), whole.toarray(), rtol=1e-6)


@pytest.mark.parametrize("window", [1, 3])
def test_cooccurrence_counts_what_nltk_pairs(window):
    corpus = random_corpus(2)
    expected = np.zeros(2 * [len(corpus.vocabulary)])
    for document in documents_of(corpus):
        for a, b in skipgrams(document, 2, window - 1):
            i, j = corpus.vocabulary[a], corpus.vocabulary[b]
            expected[i, j] += 1
            expected[j, i] += 1
    np.testing.assert_array_equal(cooccurrence(corpus, window).toarray(), expected)


def test_window_of_one_counts_the_bigrams_of_sklearn():
    corpus = random_corpus(3)
    bigrams = CountVectorizer(
        tokenizer=str.split, token_pattern=None, ngram_range=(2, 2), lowercase=False
    )
    total = bigrams.fit_transform(" ".join(d) for d in documents_of(corpus)).sum(axis=0)
    expected = np.zeros(2 * [len(corpus.vocabulary)])
    for bigram, column in bigrams.vocabulary_.items():
        i, j = (corpus.vocabulary[word] for word in bigram.split())
        expected[i, j] += total[0, column]
        expected[j, i] += total[0, column]
    np.testing.assert_array_equal(cooccurrence(corpus, 1).toarray(), expected)


def test_cooccurrence_types_and_order():
    corpus = random_corpus(4)
    flat = cooccurrence(corpus, 2)
    harmonic = cooccurrence(corpus, 2, weighting="harmonic")
    assert (flat.dtype, harmonic.dtype) == (np.int64, np.float32)
    assert flat.format == harmonic.format == "csr"
    assert flat.has_canonical_format
    assert harmonic.has_canonical_format


def test_many_small_weights_keep_their_sum():
    """250,000 thirds in single precision would be off in the fourth digit."""
    corpus = Corpus.from_documents([["a", "b", "b", "c"] * 250_000])
    got = cooccurrence(corpus, 3, weighting="harmonic")[1, 2]
    np.testing.assert_allclose(got, 250_000 / 3 + 249_999, rtol=1e-6)


def test_an_empty_corpus_has_no_counts():
    assert cooccurrence(Corpus.from_documents([[], []]), 2).shape == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "window is 0"),
        ({"window": 2, "weighting": "linear"}, "'linear': use 'flat' or 'harmonic'"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        cooccurrence(random_corpus(5), **arguments)
