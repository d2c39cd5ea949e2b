"""Words by their company: co-occurrence counts, their weights, short vectors."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
