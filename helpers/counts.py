"""Words by their company: co-occurrence counts, their weights, short vectors.

Church & Hanks 1990, "Word association norms, mutual information, and
    lexicography", Computational Linguistics 16 (PMI)
Levy & Goldberg 2014, "Neural word embedding as implicit matrix factorization",
    NeurIPS 27 (shifted PPMI, SVD)
Levy, Goldberg & Dagan 2015, "Improving distributional similarity with lessons
    learned from word embeddings", TACL 3 (smoothing, powers of singular values)
Pennington, Socher & Manning 2014, "GloVe", EMNLP (harmonic counts)
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.utils.extmath import svd_flip

from helpers.text import Corpus, loop_window_pairs

# Pairs counted at once; their working arrays take about 250 MB.
_PAIRS = 1 << 22

Weighting = Literal["flat", "harmonic"]


def _weights(window: int, weighting: str) -> NDArray:
    """What a context word at distance 1, 2, … `window` counts, (window,)."""
    if window < 1:
        raise ValueError(f"window is {window}: give at least 1 word to each side")
    if weighting == "flat":
        return np.ones(window, dtype=np.int64)
    if weighting == "harmonic":
        return 1 / np.arange(1, window + 1)
    raise ValueError(f"weighting is {weighting!r}: use 'flat' or 'harmonic'")


def loop_cooccurrence(
    corpus: Corpus, window: int, *, weighting: Weighting = "flat"
) -> NDArray:
    """Return what `cooccurrence` does as a dense (V, V) array, the plain way."""
    weights = _weights(window, weighting)
    counts = np.zeros(2 * [len(corpus.vocabulary)], dtype=weights.dtype)
    for start, end in zip(corpus.starts[:-1], corpus.starts[1:], strict=True):
        document = corpus.ids[start:end]
        for center, context in loop_window_pairs(len(document), window):
            weight = weights[abs(center - context) - 1]
            counts[document[center], document[context]] += weight
    return counts


def cooccurrence(
    corpus: Corpus, window: int, *, weighting: Weighting = "flat"
) -> sparse.csr_array:
    """Count how often two words stand at most `window` places apart.

    Entry (i, j) sums a weight over all places where word j stands near word i:
    1 ("flat"), or 1 / distance ("harmonic", as GloVe counts: Pennington et al.
    2014, section 4.2). The matrix is symmetric and windows end with their
    document. A word that stands twice in one window is its own neighbour; each
    such pair adds its weight to the diagonal twice, once from either side.

    As a product of matrices: let row t of C hold the weights of the words that
    follow position t, and column t of O a 1 in the row of the word at t. Then
    O C sums the contexts of each word's occurrences. Adding the transpose turns
    "follows" into "stands near". The positions are taken in pieces, so that the
    memory needed stays within 250 MB and four times the result, however long the
    text.

    Args:
        corpus: the text.
        window: words to each side, at least 1.
        weighting: what a pair counts, by its distance.

    Returns:
        (V, V) with sorted indices; int64 for "flat", float32 for "harmonic".

    Raises:
        ValueError: for a window below 1 or an unknown weighting.
    """
    weights = _weights(window, weighting)
    size, n = len(corpus.vocabulary), len(corpus.ids)
    follows = sparse.csr_array((size, size), dtype=weights.dtype)
    step = max(1, _PAIRS // window)
    for first in range(0, n, step):
        ids = corpus.ids[first : first + step]
        position = np.arange(first, first + len(ids))
        document = np.searchsorted(corpus.starts, position, side="right")
        reach = np.minimum(window, corpus.starts[document] - position - 1)
        row_starts = np.concatenate([[0], np.cumsum(reach)]).astype(np.int32)
        distance = np.arange(row_starts[-1]) - np.repeat(row_starts[:-1] - 1, reach)
        following = corpus.ids[np.repeat(position, reach) + distance]
        contexts = sparse.csr_array(
            (weights[distance - 1], following, row_starts), shape=(len(ids), size)
        )
        ones = np.ones(len(ids), dtype=weights.dtype)
        columns = np.arange(len(ids) + 1, dtype=np.int32)
        occurrences = sparse.csc_array((ones, ids, columns), shape=(size, len(ids)))
        follows += occurrences.tocsr() @ contexts
    precedes = follows.T.tocsr()  # transposing sorts the indices of a row
    counts = precedes + precedes.T.tocsr()
    return counts if weighting == "flat" else counts.astype(np.float32)


def pmi(
    counts: sparse.sparray, *, power: float = 0.75, shift: float = 1.0
) -> sparse.csr_array:
    """Weigh counts by pointwise mutual information: how much more often than by chance.

        log( p(i, j) / (p(i) p_power(j)) ) - log(shift)

    where p_power(j) is proportional to the sum of column j to the `power`: powers
    below 1 take rare contexts down (Levy, Goldberg & Dagan 2015, section 3.2). The
    shift stands for word2vec's number of negatives (Levy & Goldberg 2014, section 3).
    `power=1, shift=1` is the plain PMI of Church & Hanks 1990.

    Args:
        counts: (n, m) sparse, not negative.
        power: of the context distribution.
        shift: above 0.

    Returns:
        (n, m) float32, natural logarithms, with an entry for each count above 0.
        The others are minus infinity, and left out.

    Raises:
        ValueError: for a shift that has no logarithm.
    """
    if shift <= 0:
        raise ValueError(f"shift is {shift}: give a number above 0; 1 means no shift")
    coo = counts.tocoo()
    of_row = counts.sum(axis=1)  # (n,)
    of_column = counts.sum(axis=0) ** float(power)  # (m,)
    expected = of_row[coo.row] * (of_column / of_column.sum())[coo.col]
    values = np.log(coo.data / (expected * shift)).astype(np.float32)
    return sparse.csr_array((values, (coo.row, coo.col)), shape=counts.shape)


def ppmi(
    counts: sparse.sparray, *, power: float = 0.75, shift: float = 1.0
) -> sparse.csr_array:
    """Return `pmi` where it is positive, and 0 (not stored) elsewhere.

    Positive PMI, shifted: max(PMI - log shift, 0) (Levy & Goldberg 2014, section 5.1).
    Arguments and errors as for `pmi`; (n, m) float32.
    """
    weighted = pmi(counts, power=power, shift=shift)
    weighted.data.clip(min=0, out=weighted.data)
    weighted.eliminate_zeros()
    return weighted


class SVD(NamedTuple):
    """The leading part of a singular value decomposition, U diag(s) Vt.

    Attributes:
        U: (n, dim), orthonormal columns.
        s: (dim,), descending.
        Vt: (dim, m), orthonormal rows.
    """

    U: NDArray[np.floating]
    s: NDArray[np.floating]
    Vt: NDArray[np.floating]


def truncated_svd(matrix: sparse.sparray, dim: int, *, seed: int = 0) -> SVD:
    """Find the `dim` largest singular values of a sparse matrix and their vectors.

    U diag(s) Vt is the best approximation of rank `dim` in least squares (Eckart
    & Young 1936). Lanczos iterations (ARPACK) run to working precision, so that
    the result depends on the seed by rounding only. Signs are free in an SVD:
    here the largest entry of each column of U is positive.

    Args:
        matrix: (n, m), float32 or float64, which the result shares.
        dim: 1 … min(n, m) - 1.
        seed: of the vector that the iterations start from.

    Raises:
        ValueError: if `dim` is out of this range.
    """
    most = min(matrix.shape) - 1
    if not 1 <= dim <= most:
        raise ValueError(
            f"dim is {dim}; a matrix of shape {matrix.shape} has 1 to {most} "
            "dimensions to give here"
        )
    U, s, Vt = svds(matrix, dim, rng=np.random.default_rng(seed))
    order = np.argsort(-s)
    U, Vt = svd_flip(U[:, order], Vt[order])
    return SVD(U, s[order], Vt)


def svd_vectors(
    matrix: sparse.sparray, dim: int, *, power: float = 0.5, seed: int = 0
) -> NDArray[np.floating]:
    """Return short dense vectors (n, dim) for the rows of a sparse matrix.

    U diag(s)^power of the truncated SVD. The power 1 keeps the rows' dot products
    as well as `dim` numbers can; 0.5 and 0 give the strongest dimensions less
    weight and find similar words better (Levy, Goldberg & Dagan 2015, section 3.3).
    Arguments and errors as for `truncated_svd`.
    """
    U, s, _ = truncated_svd(matrix, dim, seed=seed)
    return U * s**power
