"""What the log-probabilities of a text's tokens tell: perplexity and mixtures.

Any language model gives one number a token, log p(token | what stands before it).
Models that score the same tokens can be compared and mixed by these numbers alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax


def perplexity(log_p: ArrayLike) -> float:
    """Return exp of the cross-entropy, the mean of -log p.

    It is the number of equally likely words among which the model would be as unsure
    (Jelinek et al. 1977).

    Args:
        log_p: (n,) natural logarithms of the tokens' probabilities.

    Raises:
        ValueError: if there is no token.
    """
    log_p = np.asarray(log_p, dtype=np.float64)
    if log_p.size == 0:
        raise ValueError(
            "log_p is empty; a perplexity needs the log-probabilities of some tokens"
        )
    return float(np.exp(-log_p.mean()))


def mix(log_p: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return log Σ_m weights[m] p_m of each token, (n,).

    Args:
        log_p: (n, M) natural logarithms; column m is model m's.
        weights: (M,) non-negative, with sum 1.
    """
    log_p = np.asarray(log_p, dtype=np.float64)
    return logsumexp(log_p, axis=1, b=np.asarray(weights))


def mixture_weights(log_p: ArrayLike, tolerance: float = 1e-5) -> NDArray[np.float64]:
    """Return the weights that make a text likeliest under a mixture of models, by EM.

    Each step gives every token to the models in proportion to weight times p,
    and each model the weight of its share of the tokens (Jelinek & Mercer 1980). The
    likelihood is concave in the weights, so the maximum found is the global one.
    Fit the weights on text that no model was trained on.

    Args:
        log_p: (n, M) natural logarithms; each token has one model or more with p > 0.
        tolerance: stop when no weight moves by more.

    Returns:
        (M,) with sum 1.

    Raises:
        ValueError: if `log_p` is not two-dimensional or a token is impossible.
    """
    log_p = np.asarray(log_p, dtype=np.float64)
    if log_p.ndim != 2:
        raise ValueError(
            f"log_p has shape {log_p.shape}; give (tokens, models), for instance "
            "np.stack([a, b], axis=1)"
        )
    best = log_p.max(axis=1, keepdims=True)
    if np.isneginf(best).any():
        row = int(np.argmin(best))
        raise ValueError(
            f"token {row} has probability 0 under every model; smooth one of them"
        )
    log_p = log_p - best  # a factor common to a token's models changes no share
    weights = np.full(log_p.shape[1], 1 / log_p.shape[1])
    while True:
        with np.errstate(divide="ignore"):  # log 0: that model has left the mixture
            shares = softmax(log_p + np.log(weights), axis=1)  # (n, M)
        previous, weights = weights, shares.mean(axis=0)
        if np.abs(weights - previous).max() <= tolerance:
            return weights
