"""word2vec as its papers define it, in NumPy, one center word at a time.

Every word has two vectors: its row of `inputs` when it is given, its row of `outputs`
when it is predicted. Skip-gram gives the center and predicts each context word; CBOW
gives the mean of the context words and predicts the center. Both compare one hidden
vector with the predicted words (`np_softmax_loss`, `np_negative_sampling_loss`), so
that all four combinations are built from these parts. The gradients are written out
by hand; `helpers.word2vec` computes the same sums for many centers at once.

    Mikolov et al. 2013a, "Efficient estimation of word representations in vector
        space", arXiv 1301.3781 (CBOW, skip-gram)
    Mikolov et al. 2013b, "Distributed representations of words and phrases and their
        compositionality", arXiv 1310.4546 (negative sampling, subsampling)
    Rong 2014, "word2vec parameter learning explained", arXiv 1411.2738 (gradients)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax

Array = NDArray[np.floating]


class HiddenLoss(NamedTuple):
    """A loss and its gradients: `hidden` (d,), `outputs` (V, d)."""

    loss: float
    hidden: Array
    outputs: Array


class CenterLoss(NamedTuple):
    """A loss and its gradients: `inputs` (V, d), `outputs` (V, d)."""

    loss: float
    inputs: Array
    outputs: Array


def np_softmax_loss(
    hidden: Array, targets: Sequence[int], outputs: Array
) -> HiddenLoss:
    """Predict each target among all V words.

    loss = -sum over targets t of log softmax(outputs @ hidden)[t]: the terms of
    eqs. 1 and 2 of Mikolov et al. 2013b, summed instead of averaged.

    Args:
        hidden: (d,).
        targets: the words to predict; a word given twice counts twice.
        outputs: (V, d).
    """
    log_probability = log_softmax(outputs @ hidden)  # (V,)
    counts = np.bincount(targets, minlength=len(outputs))
    errors = len(targets) * np.exp(log_probability) - counts  # d loss / d scores
    return HiddenLoss(
        -float(counts @ log_probability),
        outputs.T @ errors,
        np.outer(errors, hidden),
    )


def np_negative_sampling_loss(
    hidden: Array,
    targets: Sequence[int],
    negatives: Sequence[int],
    outputs: Array,
    weight: float = 1.0,
) -> HiddenLoss:
    """Tell the targets from noise words (Mikolov et al. 2013b, eq. 4, negated).

    loss = -sum over targets t of log sigma(outputs[t] . hidden)
           -weight * sum over negatives n of log sigma(-outputs[n] . hidden)

    Args:
        hidden: (d,).
        targets: the true words; a word given twice counts twice.
        negatives: the noise words of all targets together, likewise.
        outputs: (V, d).
        weight: how much one noise word counts. 1 is the paper's, with k noise words
            drawn for each target; k * len(targets) / len(negatives) gives K shared
            noise words the same total weight.
    """
    words = np.array([*targets, *negatives], dtype=np.int64)
    sign = np.repeat([1.0, -1.0], [len(targets), len(negatives)])
    weights = np.where(sign > 0, 1.0, weight)
    scores = sign * (outputs[words] @ hidden)
    errors = -weights * sign * expit(-scores)  # d loss / d (outputs[words] @ hidden)
    grad_outputs = np.zeros_like(outputs)
    np.add.at(grad_outputs, words, np.outer(errors, hidden))
    return HiddenLoss(
        -float(weights @ log_expit(scores)), outputs[words].T @ errors, grad_outputs
    )


def np_skipgram(
    center: int,
    contexts: Sequence[int],
    inputs: Array,
    outputs: Array,
    negatives: Sequence[int] | None = None,
    weight: float = 1.0,
) -> CenterLoss:
    """Predict the context words from the center (Mikolov et al. 2013a, section 3.2).

    Args:
        center: word id.
        contexts: word ids, one or more.
        inputs: (V, d) vectors of given words.
        outputs: (V, d) vectors of predicted words.
        negatives: noise words; None takes the full softmax instead.
        weight: see `np_negative_sampling_loss`.
    """
    part = _predict(inputs[center], contexts, outputs, negatives, weight)
    grad_inputs = np.zeros_like(inputs)
    grad_inputs[center] = part.hidden
    return CenterLoss(part.loss, grad_inputs, part.outputs)


def np_cbow(
    center: int,
    contexts: Sequence[int],
    inputs: Array,
    outputs: Array,
    negatives: Sequence[int] | None = None,
    weight: float = 1.0,
) -> CenterLoss:
    """Predict the center from the mean of its context (2013a, section 3.1).

    Arguments as in `np_skipgram`. The gradient of the mean is shared out, 1 / n to
    each of the n context words; the released C program gives each the whole.
    """
    part = _predict(inputs[contexts].mean(axis=0), [center], outputs, negatives, weight)
    grad_inputs = np.zeros_like(inputs)
    np.add.at(grad_inputs, contexts, part.hidden / len(contexts))
    return CenterLoss(part.loss, grad_inputs, part.outputs)


def _predict(
    hidden: Array,
    targets: Sequence[int],
    outputs: Array,
    negatives: Sequence[int] | None,
    weight: float,
) -> HiddenLoss:
    if negatives is None:
        return np_softmax_loss(hidden, targets, outputs)
    return np_negative_sampling_loss(hidden, targets, negatives, outputs, weight)


def noise_distribution(counts: NDArray[np.int64], power: float = 0.75) -> Array:
    """Return the probability of each word as noise: counts ** power, normalised.

    Mikolov et al. 2013b, section 2.2: between uniform (0) and unigram (1), 3/4 was
    best. Rare words come up more often than in text, frequent ones less.
    """
    weights = counts.astype(np.float64) ** power
    return weights / weights.sum()


def keep_probability(counts: NDArray[np.int64], sample: float) -> Array:
    """Return the chance of each word to survive subsampling, (V,).

    min(1, sqrt(sample / f) + sample / f) with f the word's share of the text: the rule
    of the released program, which gensim shares. The paper (2013b, eq. 5) keeps a
    little less, sqrt(sample / f).
    """
    ratio = sample * counts.sum() / counts
    return np.minimum(1.0, np.sqrt(ratio) + ratio)
