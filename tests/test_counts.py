from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.metrics import BigramAssocMeasures
from nltk.util import skipgrams
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer

from helpers import counts
from helpers.counts import (
    cooccurrence,
    loop_cooccurrence,
    pmi,
    ppmi,
    svd_vectors,
    truncated_svd,
)
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


def random_counts(seed, shape=(20, 13)):
    """Sparse counts with an empty row and an empty column."""
    counts = np.random.default_rng(seed).poisson(0.8, size=shape)
    counts[3], counts[:, 5] = 0, 0
    return sparse.csr_array(counts)


def test_plain_pmi_is_what_nltk_computes():
    """nltk scores bigrams, and takes logarithms to the base 2."""
    words = documents_of(random_corpus(6, documents=1))[0]
    index = {word: i for i, word in enumerate(sorted(set(words)))}
    bigrams = np.zeros((len(index), len(index)))
    for a, b in pairwise(words):
        bigrams[index[a], index[b]] += 1
    got = pmi(sparse.csr_array(bigrams), power=1)
    for a, b in pairwise(words):
        i, j = index[a], index[b]
        marginals = bigrams[i].sum(), bigrams[:, j].sum()
        bits = BigramAssocMeasures.pmi(bigrams[i, j], marginals, len(words) - 1)
        assert got[i, j] == pytest.approx(bits * np.log(2), abs=1e-5)


@pytest.mark.parametrize(("power", "shift"), [(1, 1), (0.75, 1), (0.5, 3.5), (0, 1)])
def test_pmi_and_ppmi_by_loops(power, shift):
    counts = random_counts(7)
    dense = counts.toarray()
    total = dense.sum()
    smooth = [dense[:, j].sum() ** power for j in range(dense.shape[1])]
    expected = np.full(dense.shape, -np.inf)
    for i, j in np.argwhere(dense):
        chance = dense[i].sum() / total * smooth[j] / sum(smooth)
        expected[i, j] = np.log(dense[i, j] / total / chance) - np.log(shift)
    got = pmi(counts, power=power, shift=shift)
    positive = ppmi(counts, power=power, shift=shift)
    assert got.dtype == positive.dtype == np.float32
    assert got.shape == positive.shape == counts.shape
    np.testing.assert_allclose(got.data, expected[dense > 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        positive.toarray(), np.maximum(expected, 0), rtol=1e-5, atol=1e-6
    )
    assert positive.nnz == np.sum(expected > 1e-6)


def test_independent_words_have_no_mutual_information():
    rng = np.random.default_rng(8)
    counts = np.outer(rng.integers(1, 9, size=7), rng.integers(1, 9, size=5))
    np.testing.assert_allclose(
        pmi(sparse.csr_array(counts), power=1).data, 0, atol=1e-6
    )


def test_ppmi_leaves_the_counts_as_they_were():
    counts = random_counts(9)
    before = counts.toarray()
    ppmi(counts)
    np.testing.assert_array_equal(counts.toarray(), before)


@pytest.mark.parametrize("shift", [0, -1])
def test_a_shift_without_logarithm_is_refused(shift):
    with pytest.raises(ValueError, match="shift is"):
        ppmi(random_counts(10), shift=shift)


@pytest.mark.parametrize("shape", [(40, 25), (25, 40)])
def test_truncated_svd_is_the_leading_part_of_numpys(shape):
    matrix = sparse.random_array(shape, density=0.4, rng=np.random.default_rng(11))
    got = truncated_svd(matrix.tocsr(), 6)
    U, s, Vt = np.linalg.svd(matrix.toarray(), full_matrices=False)
    assert (got.U.shape, got.Vt.shape) == ((shape[0], 6), (6, shape[1]))
    np.testing.assert_allclose(got.s, s[:6])
    best = U[:, :6] * s[:6] @ Vt[:6]
    np.testing.assert_allclose(got.U * got.s @ got.Vt, best, atol=1e-10)


def test_svd_depends_on_the_seed_by_rounding_only():
    matrix = ppmi(cooccurrence(random_corpus(12, words=3000), 4))
    one, other = (svd_vectors(matrix, 8, seed=seed) for seed in (1, 2))
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert one.dtype == np.float32


def test_largest_entries_of_svd_vectors_are_positive():
    vectors = svd_vectors(random_counts(13, shape=(30, 30)).astype(float), 10)
    largest = np.abs(vectors).argmax(axis=0)
    assert (vectors[largest, np.arange(10)] > 0).all()


def test_svd_vectors_with_power_one_keep_dot_products():
    """Those of scikit-learn's TruncatedSVD, which has signs of its own."""
    matrix = random_counts(14, shape=(30, 22)).astype(float)
    theirs = TruncatedSVD(5, algorithm="arpack").fit_transform(matrix)
    ours = svd_vectors(matrix, 5, power=1)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-8)


@pytest.mark.parametrize("power", [0, 0.5])
def test_svd_vectors_scale_dimensions_by_singular_values(power):
    vectors = svd_vectors(random_counts(15).astype(float), 4, power=power)
    s = np.linalg.svd(random_counts(15).toarray(), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), s[:4] ** power)


@pytest.mark.parametrize("dim", [0, 13])
def test_impossible_dimensions_are_named(dim):
    with pytest.raises(ValueError, match=f"dim is {dim}; .* 1 to 12"):
        truncated_svd(random_counts(16).astype(float), dim)
