# %% [markdown]
# # Exercise 07 · n-gram language models
#
# **What you build.** A language model from counts, the measures that judge it, the algorithm that
# mixes models, three ways to draw the next word, Kneser–Ney smoothing for every order, and a noisy
# channel that finds what was said in what was heard.
#
# *You need* lecture 07. *It takes* about three hours. *It is worth* 30 points in seven
# questions, which don't depend on one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points, so half an answer earns half of them. To
# see where you stand, save the notebook and give its path to `.venv/bin/course check`: it tells
# your points in words. `.venv/bin/pytest --nbval` shows each difference. Functions that only checks
# call are taken away when your work is graded: don't call them in your answers.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ investigate.

# %%
from collections import Counter
from decimal import Decimal
from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd
import torch
from nltk.util import everygrams
from scipy import special, stats
from scipy.optimize import minimize

from helpers.course.checks import check
from helpers.datasets import load_cmudict
from helpers.device import seed_everything
from helpers.lm_text import encode_lines, load_wikitext2_streams
from helpers.ngram import (
    continuation_counts,
    count_ngrams,
    kneser_ney,
    modified_kneser_ney,
)

seed_everything(7)


def random_text(seed, n, V, documents):
    """n ids below V, the low ones frequent, in documents of random length."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, V + 1)
    inner = np.sort(rng.integers(0, n + 1, size=documents - 1))
    return rng.choice(V, size=n, p=p / p.sum()), np.r_[0, inner, n]


# %% [markdown]
# ## Question 1 · From counts to probabilities
# ★ · 15 minutes · 3 points
#
# A text is an array `ids` of word ids below $V$, and an array `starts`: document $d$ is
# `ids[starts[d]:starts[d + 1]]`, and may be empty. Before each document stands a start token. The bigram
# model with relative counts is (lecture 07, eq. 3)
#
# $$\hat p(w \mid h) = \frac{c(h\,w)}{\sum_{w'} c(h\,w')} \tag{1}$$
#
# Return it as a table with a row for each context $h$, and a last row for the start token. A context
# that nothing follows has a row of zeros. No bigram reaches from one document into the next.
#
# <details><summary>Hint 1</summary>
#
# Go through one document at a time and put the id $V$ before it. Which pairs stand side by side?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The sum in (1) runs over what *follows* $h$. The last word of a document is followed by nothing, so
# it is not the same as counting $h$. `np.divide` has an argument `where`.
#
# </details>


# %% answer="bigrams"
def bigram_table(ids, starts, V):
    """Relative counts of bigrams.

    Args:
        ids: (N,) integers below V, all documents after one another.
        starts: (D + 1,) integers, the documents' boundaries.
        V: number of different words.

    Returns:
        (V + 1, V) floats; row h holds p(w | h) for all w, row V that of the start.

    Example: ids [0, 1, 0, 0], starts [0, 2, 4], V 2 -> [[.5, .5], [0, 0], [1, 0]]
    """
    # BEGIN SOLUTION
    counts = np.zeros((V + 1, V))
    for a, b in pairwise(starts):
        for h, w in pairwise([V, *ids[a:b]]):
            counts[h, w] += 1
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))
    # END SOLUTION


# %%
def pandas_table(ids, starts, V):
    """The same by pandas, for the checks to compare with."""
    before = np.insert(ids[:-1], 0, V)
    before[np.asarray(starts[:-1])[np.diff(starts) > 0]] = V
    table = pd.crosstab(before, ids, normalize="index")
    return table.reindex(range(V + 1), columns=range(V), fill_value=0).to_numpy()


# %% check="bigrams" points=1
with check("One document of nine words, V = 4") as c:
    ids = np.array([0, 1, 2, 0, 1, 3, 0, 2, 3])
    c.close(
        "table",
        bigram_table(ids, np.array([0, 9]), 4),
        pandas_table(ids, np.array([0, 9]), 4),
        hint="Write down what follows word 0, word 3 and the start.",
    )

# %% check="bigrams" part="edges" points=1
with check("Documents of 5, 0, 1, 6 and 0 words; one word never occurs") as c:
    ids = np.array([2, 0, 0, 1, 2, 1, 1, 0, 2, 2, 0, 4])
    starts = np.cumsum([0, 5, 0, 1, 6, 0])
    got = bigram_table(ids, starts, 5)
    want = pandas_table(ids, starts, 5)
    if c.close(
        "table",
        got,
        want,
        hint="Does a pair cross from one document into the next? Is an empty document "
        "started? Which words does nothing follow?",
    ):
        c.close("sums of the rows", np.asarray(got).sum(axis=1), want.sum(axis=1))

# %% check="bigrams" part="hidden" points=1
# BEGIN HIDDEN TESTS
# An answer stands on its own: while it is tested, the checks' function has no name.
expected, pandas_table = pandas_table, None
with check("800 words in 61 documents, V = 13; a bigram that occurs 1000 times") as c:
    ids, starts = random_text(11, 800, 12, 60)
    starts = np.append(starts, 800)
    got = bigram_table(ids, starts, 13)
    if c.close("table", got, expected(ids, starts, 13)):
        c.show("diagonal", np.diag(np.asarray(got)))
        c.show("start", np.asarray(got)[-1])
    ids, starts = random_text(12, 3000, 2, 5)
    c.close("table", bigram_table(ids, starts, 3), expected(ids, starts, 3))
pandas_table = expected
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# A row is a distribution over what comes *next*, so a row is divided by its own sum. Dividing by how often
# $h$ occurs is right only if every document ends in a mark like `<eos>`, which is never a context.


# %% wrong="bigrams" why="lets pairs cross from one document to the next" says="cross from one document"
def bigram_table(ids, starts, V):
    counts = np.zeros((V + 1, V))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    filled = np.diff(starts) > 0
    np.add.at(counts, (V, ids[starts[:-1][filled]]), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, where=totals > 0, out=np.zeros_like(counts))


# %% wrong="bigrams" why="divides by the word that follows: the columns sum to 1" says="what follows word 0"
def bigram_table(ids, starts, V):
    counts = np.zeros((V + 1, V))
    for a, b in pairwise(starts):
        for h, w in pairwise([V, *ids[a:b]]):
            counts[h, w] += 1
    return counts / np.maximum(counts.sum(axis=0), 1)


# %% wrong="bigrams" why="divides by how often the context occurs, followed or not" says="values differ"
def bigram_table(ids, starts, V):
    counts = np.zeros((V + 1, V))
    for a, b in pairwise(starts):
        for h, w in pairwise([V, *ids[a:b]]):
            counts[h, w] += 1
    occurs = np.append(np.bincount(ids, minlength=V), len(starts) - 1)
    return counts / np.maximum(occurs, 1)[:, None]


# %% wrong="bigrams" why="gives contexts that nothing follows a row of nan" says="nan"
def bigram_table(ids, starts, V):
    counts = np.zeros((V + 1, V))
    for a, b in pairwise(starts):
        for h, w in pairwise([V, *ids[a:b]]):
            counts[h, w] += 1
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=1, keepdims=True)


# %% wrong="bigrams" why="leaves out the start" says="shape (4, 4), expected (5, 4)"
def bigram_table(ids, starts, V):
    counts = np.zeros((V, V))
    for a, b in pairwise(starts):
        for h, w in pairwise(ids[a:b]):
            counts[h, w] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


# %% wrong="bigrams" why="puts the start at a document's first place, though an empty one has none" says="IndexError"
def bigram_table(ids, starts, V):
    before = np.insert(ids[:-1], 0, V)
    before[starts[:-1]] = V
    counts = np.zeros((V + 1, V))
    np.add.at(counts, (before, ids), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


# %% right="bigrams" why="by a dictionary of counters"
def bigram_table(ids, starts, V):
    followers = {h: Counter() for h in range(V + 1)}
    for a, b in pairwise(starts):
        previous = V
        for w in ids[a:b]:
            followers[previous][int(w)] += 1
            previous = int(w)
    return np.array(
        [
            [f[w] / f.total() if f.total() else 0.0 for w in range(V)]
            for f in followers.values()
        ]
    )


# %% [markdown]
# ## Question 2 · Bits and perplexity
# ★ · 20 minutes · 4 points
#
# Two functions. The **cross-entropy** of a belief $q$ under the truth $p$ (lecture 07, eq. 4), in
# units that `base` names: 2 for bits, $e$ for nats:
#
# $$H(p, q) = -\sum_x p(x) \log_{\text{base}} q(x) \tag{2}$$
#
# What never happens ($p(x) = 0$) adds nothing, whatever $q(x)$ is. What happens but was thought
# impossible makes it infinite. $H(p, p)$ is the entropy.
#
# And the **perplexity** of a text whose $T$ words a model gave the probabilities $p_1 … p_T$ (Jelinek et
# al. 1977):
#
# $$\mathrm{PPL} = \Bigl(\prod_{t=1}^{T} p_t\Bigr)^{-1/T} \tag{3}$$
#
# A text may be long: mind what a product of 100,000 probabilities is to a computer. One word of
# probability 0 makes the perplexity infinite.
#
# <details><summary>Hint 1</summary>
#
# $\log_b x = \ln x / \ln b$. Sum over the $x$ with $p(x) > 0$ only; then $\log 0 = -\infty$ does what
# it should.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Take the logarithm of (3) first. What becomes of the product, and of the power?
#
# </details>


# %% answer="information"
def cross_entropy(p, q, base=2.0):
    """Average surprise at q where p is true: a float.

    Args:
        p: (K,) array or list of probabilities with sum 1.
        q: (K,) array or list of probabilities with sum 1.
        base: the logarithm's base, 2 for bits.

    Example: p [.5, .5], q [.25, .75] -> 1.2075 bits
    """
    # BEGIN SOLUTION
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    happens = p > 0
    with np.errstate(divide="ignore"):
        surprise = -np.log(q[happens]) / np.log(base)
    return p[happens] @ surprise
    # END SOLUTION


def perplexity(p_words):
    """Perplexity of a text: a float.

    Args:
        p_words: (T,) array or list, the probability of each word.

    Example: [.5, .125] -> 4.0
    """
    # BEGIN SOLUTION
    with np.errstate(divide="ignore"):
        return np.exp(-np.mean(np.log(p_words)))
    # END SOLUTION


# %% check="information" part="entropy" points=1
with check("Random distributions over 5 things, in bits and nats") as c:
    p, q = np.random.default_rng(21).dirichlet(np.ones(5), size=2)
    for base, unit in [(2, "bits"), (np.e, "nats")]:
        kl = cross_entropy(p, q, base) - cross_entropy(p, p, base)
        c.close(
            f"entropy of p, {unit}",
            cross_entropy(p, p, base),
            stats.entropy(p, base=base),
        )
        c.close(
            f"KL divergence, {unit}",
            kl,
            stats.entropy(p, q, base=base),
            hint="Which of p and q stands inside the logarithm? In which base?",
        )

# %% check="information" part="zeros" points=1
with check("What never happens, and what was thought impossible") as c:
    p, q = np.array([0.2, 0.0, 0.5, 0.3]), np.array([0.1, 0.0, 0.6, 0.3])
    c.close(
        "0 log 0",
        cross_entropy(p, q),
        stats.entropy(p, base=2) + stats.entropy(p, q, base=2),
        hint="What is 0 · log 0 here, and what does NumPy make of it?",
    )
    c.close(
        "p is certain", cross_entropy([0.0, 1.0, 0.0], [0.5, 0.3, 0.2]), -np.log2(0.3)
    )
    c.true(
        "impossible things make it infinite",
        np.isinf(cross_entropy([0.5, 0.5], [1.0, 0.0])),
        cross_entropy([0.5, 0.5], [1.0, 0.0]),
        hint="If p > 0 where q = 0, no number of bits suffices.",
    )
    c.true(
        "so is the perplexity of a text with an impossible word",
        np.isinf(perplexity([0.5, 0.0])),
        perplexity([0.5, 0.0]),
        hint="One factor of (3) is 0. What is 0 to the power of -1/T?",
    )

# %% check="information" part="perplexity" points=1
with check("Perplexity of short and of long texts") as c:
    rng = np.random.default_rng(22)
    for T in (1, 7, 100_000):
        p_words = rng.uniform(0.001, 0.9, size=T)
        c.close(
            f"{T} words",
            perplexity(p_words),
            1 / stats.gmean(p_words),
            hint="Is it the geometric mean? What is the product of so many small numbers?",
        )

# %% check="information" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other bases and lengths, lists for arrays") as c:
    rng = np.random.default_rng(23)
    p, q = rng.dirichlet(np.ones(40), size=2)
    p[:10] = 0
    p /= p.sum()
    for base in (2, 3, 10):
        want = stats.entropy(p, base=base) + stats.entropy(p, q, base=base)
        c.close(f"base {base}", cross_entropy(p.tolist(), q.tolist(), base), want)
    for T in (3, 30_000):
        p_words = rng.beta(0.5, 3, size=T) + 1e-9
        c.close("perplexity", perplexity(p_words.tolist()), 1 / stats.gmean(p_words))
    c.close("tiny q", cross_entropy([0.6, 0.4], [1.0, 1e-30]), 12 * np.log2(10))
    c.close("tiny words", perplexity([1e-12, 1e-30]), 1e21)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The perplexity is `base ** cross_entropy` for *any* base, as long as both use the same. The mixture of
# `np.exp` and `np.log2` is an easy error to make, and it gives plausible numbers.


# %% wrong="information" why="multiplies first: the product of a long text is 0" says="100000 words"
def cross_entropy(p, q, base=2.0):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore"):
        return -np.sum(p[p > 0] * np.log(q[p > 0])) / np.log(base)


def perplexity(p_words):
    with np.errstate(divide="ignore"):
        return np.prod(p_words) ** (-1 / len(p_words))


# %% wrong="information" why="mixes bits and nats: exp of a mean log2" says="geometric mean"
def cross_entropy(p, q, base=2.0):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore"):
        return -np.sum(p[p > 0] * np.log(q[p > 0])) / np.log(base)


def perplexity(p_words):
    return np.exp(-np.mean(np.log2(p_words)))


# %% wrong="information" why="0 log 0 becomes nan" says="0 log 0"
def cross_entropy(p, q, base=2.0):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.sum(np.asarray(p) * np.log(q)) / np.log(base)


def perplexity(p_words):
    return np.exp(-np.mean(np.log(p_words)))


# %% wrong="information" why="exchanges truth and belief" says="Which of p and q"
def cross_entropy(p, q, base=2.0):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore"):
        return -np.sum(q[q > 0] * np.log(p[q > 0])) / np.log(base)


def perplexity(p_words):
    return np.exp(-np.mean(np.log(p_words)))


# %% wrong="information" why="averages 1/p instead of its logarithm" says="geometric mean"
def cross_entropy(p, q, base=2.0):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore"):
        return -np.sum(p[p > 0] * np.log(q[p > 0])) / np.log(base)


def perplexity(p_words):
    return np.mean(1 / np.asarray(p_words))


# %% wrong="information" why="keeps away from log 0: nothing is impossible any more" says="no number of bits suffices"
def cross_entropy(p, q, base=2.0):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    return -np.sum(p * np.log(np.maximum(q, 1e-12))) / np.log(base)


def perplexity(p_words):
    return np.exp(-np.mean(np.log(np.maximum(p_words, 1e-12))))


# %% right="information" why="word by word, and in bits throughout"
def cross_entropy(p, q, base=2.0):
    total = 0.0
    for truth, belief in zip(p, q, strict=True):
        if truth > 0:
            total += truth * (np.inf if belief == 0 else -np.log2(belief))
    return total / np.log2(base)


def perplexity(p_words):
    return 2 ** (-sum(np.log2(p_words)) / len(p_words))


# %% [markdown]
# ## Question 3 · EM for the weights of a mixture
# ★★ · 25 minutes · 4 points
#
# $M$ models gave each of $T$ words a probability: the table `p`, with a column for each model. Their
# mixture gives word $t$ the probability $\sum_m \pi_m\, p_{tm}$. Which weights $\pi$ make the text likeliest?
#
# **EM** finds them. It imagines that each word was drawn in two steps: choose a model $m$ with probability
# $\pi_m$, then let it draw the word. The E-step asks which model it may have been, by Bayes' rule. The M-step
# takes the average of the answers as the new weights (Jelinek & Mercer 1980). Leave the
# arrays you are given as they are:
#
# $$r_{tm} = \frac{\pi_m\, p_{tm}}{\sum_{m'} \pi_{m'}\, p_{tm'}}, \qquad \pi_m \leftarrow \frac1T \sum_{t=1}^{T} r_{tm} \tag{4}$$
#
# <details><summary>Hint 1</summary>
#
# The sum below the line runs over models, for one word. What does each row of $r$ sum to?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `p * weights` multiplies each column by its weight. `keepdims=True` keeps the shape (T, 1), which
# divides a table row by row.
#
# </details>


# %% answer="em"
def fit_mixture(p, weights, steps):
    """Improve the weights of a mixture by EM.

    Args:
        p: (T, M) floats, the probability of word t by model m.
        weights: (M,) floats with sum 1, where to start.
        steps: how many EM steps to take; after 0 the weights are the old ones.

    Returns:
        (M,) floats with sum 1.

    Example: p [[.8, .2], [.4, .6]], weights [.5, .5], steps 1 -> [.6, .4]
    """
    # BEGIN SOLUTION
    for _ in range(steps):
        shares = p * weights
        shares = shares / shares.sum(axis=1, keepdims=True)
        weights = shares.mean(axis=0)
    return weights
    # END SOLUTION


# %%
def cross_entropy_of(p, weights):
    """Average surprise of the mixture, in nats."""
    return -np.mean(np.log(np.asarray(p) @ np.asarray(weights)))


# %% check="em" part="step" points=1
with check("One step and two, three models, from uneven weights") as c:
    p = np.random.default_rng(31).beta(0.4, 3, size=(50, 3))
    weights = np.array([0.2, 0.7, 0.1])
    for steps in (1, 2):
        want = weights
        for _ in range(steps):
            want = special.softmax(np.log(p) + np.log(want), axis=1).mean(axis=0)
        c.close(
            f"weights after {steps}",
            fit_mixture(p, weights, steps),
            want,
            hint="Do the shares of each word sum to 1? Does the old weight enter?",
        )
    c.close("you leave the old weights alone", weights @ [1, 2, 4], 0.2 + 1.4 + 0.4)

# %% check="em" part="optimum" points=2 tags=["rtol=1e-3"]
with check("After 300 steps it is as good as a general optimiser finds") as c:
    rng = np.random.default_rng(32)
    p = rng.dirichlet([0.5, 0.3, 0.4], size=400) * rng.uniform(0.01, 1, size=(400, 1))
    best = minimize(lambda s: cross_entropy_of(p, special.softmax(s)), np.zeros(3))
    got = fit_mixture(p, np.full(3, 1 / 3), 300)
    c.close(
        "weights",
        got,
        special.softmax(best.x),
        rtol=1e-3,
        hint="Does every step start from the weights of the step before?",
    )
    c.close("cross-entropy", cross_entropy_of(p, got), best.fun, rtol=1e-6)

# %% check="em" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Five models, some of them impossible for some words") as c:
    rng = np.random.default_rng(33)
    p = rng.beta(0.5, 2, size=(200, 5))
    p[rng.random((200, 5)) < 0.3] = 0
    p[:, 2] += 1e-4
    weights = rng.dirichlet(np.ones(5))
    want = weights
    for _ in range(7):
        with np.errstate(divide="ignore"):
            want = special.softmax(np.log(p) + np.log(want), axis=1).mean(axis=0)
    c.close("after 7 steps", fit_mixture(p, weights, 7), want)
    c.close("after none", fit_mixture(p, weights, 0), weights)
    p = rng.uniform(0.9, 1.1, size=(150, 3))  # models so alike that EM is slow
    weights = np.array([0.15, 0.6, 0.25])
    for steps in (20, 150):
        want = weights
        for _ in range(steps):
            want = special.softmax(np.log(p) + np.log(want), axis=1).mean(axis=0)
        c.close(f"after {steps} steps", fit_mixture(p, weights.copy(), steps), want)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# No step can make the text less likely, and the log likelihood is concave in the weights, so EM ends at the
# only maximum. The same loop fits the $\lambda$ of interpolated n-grams, where the models are the orders.


# %% wrong="em" why="forgets the weights in the E-step, so every step gives the same" says="Does the old weight enter"
def fit_mixture(p, weights, steps):
    for _ in range(steps):
        shares = p / p.sum(axis=1, keepdims=True)
        weights = shares.mean(axis=0)
    return weights


# %% wrong="em" why="sums over words below the line" says="Do the shares of each word"
def fit_mixture(p, weights, steps):
    for _ in range(steps):
        shares = p * weights
        shares = shares / shares.sum(axis=0, keepdims=True)
        weights = shares.mean(axis=0)
    return weights / weights.sum()


# %% wrong="em" why="averages p times weight without sharing out each word" says="Do the shares of each word"
def fit_mixture(p, weights, steps):
    for _ in range(steps):
        weights = (p * weights).mean(axis=0)
        weights = weights / weights.sum()
    return weights


# %% wrong="em" why="gives each word wholly to the model that explains it best" says="Do the shares of each word"
def fit_mixture(p, weights, steps):
    for _ in range(steps):
        winner = (p * weights).argmax(axis=1)
        weights = np.bincount(winner, minlength=p.shape[1]) / len(p)
    return weights


# %% wrong="em" why="takes one step, however many are asked for" says="weights after 2"
def fit_mixture(p, weights, steps):
    shares = p * weights
    return (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)


# %% right="em" why="as a matrix product with the mixture's probabilities"
def fit_mixture(p, weights, steps):
    weights = np.array(weights, dtype=float)
    for _ in range(steps):
        weights = weights * (p.T @ (1 / (p @ weights))) / len(p)
    return weights


# %% [markdown]
# ## Question 4 · Drawing the next word with care
# ★★ · 25 minutes · 5 points
#
# A model gives the next word the probabilities $p$. Change them before you draw, in this order:
#
# 1. **Temperature** $\tau$: $\;p'(w) \propto p(w)^{1/\tau}$, made to sum to 1.
# 2. **Top-k** (Fan et al. 2018): only the $k$ likeliest words may stay.
# 3. **Nucleus** (Holtzman et al. 2020): sort the words by $p'$. A word may stay if the sum of $p'$ over all
#    *likelier* words is below the share. So the likeliest word always stays, and the word that
#    reaches the share is the last.
#
# A word that fails either test gets 0. Make the rest sum to 1. The nucleus is measured on $p'$ over
# all words, not only on those that top-k kept. No two words that matter are equally likely.
#
# <details><summary>Hint 1</summary>
#
# Do the work in sorted order: `order = np.argsort(-p)`, then `p[order]` descends. With `np.cumsum` you have
# the sum up to and including each word. You need the one *before* it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Make an array of zeros and fill it at `order[keep]`.
#
# </details>


# %% answer="draw"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    """Sharpen or flatten probabilities, then cut off the unlikely words.

    Args:
        p: (V,) probabilities with sum 1; left as they are.
        temperature: above 0; below 1 sharpens.
        top_k: how many words may stay; all if None.
        nucleus: the share in (0, 1] that the likeliest words must reach.

    Returns:
        (V,) probabilities with sum 1.

    Example: p [.5, .3, .2], nucleus .6 -> [.625, .375, 0]
    """
    # BEGIN SOLUTION
    p = p ** (1 / temperature)
    p = p / p.sum()
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]
    keep = before < nucleus
    keep[top_k:] = keep[top_k:] & (top_k is None)
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept / kept.sum()
    # END SOLUTION


# %%
def torch_careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    """The same by PyTorch on logits, for the checks to compare with."""
    logits = torch.tensor(p).log() / temperature
    softened = logits.softmax(0)
    out = torch.zeros(len(p), dtype=torch.bool)
    if top_k is not None:
        out |= logits < logits.topk(top_k).values[-1]
    likelier = softened[None] > softened[:, None]  # (word, other)
    out |= (likelier * softened).sum(1) >= nucleus
    return logits.masked_fill(out, -torch.inf).softmax(0).numpy()


# %% check="draw" part="temperature" points=1
with check("Temperatures 0.5, 1 and 3") as c:
    p = np.random.default_rng(41).dirichlet(np.ones(6))
    for temperature in (0.5, 1.0, 3.0):
        c.close(
            f"τ = {temperature}",
            careful(p, temperature),
            torch_careful(p, temperature),
            hint="What do probabilities look like after a high temperature: flat or steep?",
        )

# %% check="draw" part="topk" points=1
with check("Top-k 1, 3 and 6 of six words") as c:
    p = np.random.default_rng(42).dirichlet(np.ones(6))
    before = p.copy()
    for k in (1, 3, 6):
        c.close(
            f"k = {k}",
            careful(p, top_k=k),
            torch_careful(p, top_k=k),
            hint="How many words are left, which, and do they sum to 1?",
        )
    c.close("your function leaves p as it was", p @ range(6), before @ range(6))

# %% check="draw" part="nucleus" points=2
with check("Nucleus 0.1, 0.5, 0.8 and 1; with a temperature; with top-k") as c:
    p = np.random.default_rng(43).dirichlet(np.ones(8))
    for nucleus in (0.1, 0.5, 0.8, 1.0):
        c.close(
            f"share {nucleus}",
            careful(p, nucleus=nucleus),
            torch_careful(p, nucleus=nucleus),
            hint="Does the word that reaches the share stay? And the likeliest, always?",
        )
    c.close(
        "share 0.7 at τ = 0.5",
        careful(p, 0.5, nucleus=0.7),
        torch_careful(p, 0.5, nucleus=0.7),
        hint="In which order do temperature and nucleus come?",
    )
    p = np.array([0.26, 0.05, 0.24, 0.1, 0.35])
    c.close(
        "share 0.65 and top-k 3",
        careful(p, top_k=3, nucleus=0.65),
        torch_careful(p, top_k=3, nucleus=0.65),
        hint="On what is the share measured: on all words or on the three?",
    )

# %% check="draw" part="hidden" points=1
# BEGIN HIDDEN TESTS
expected, torch_careful = torch_careful, None
with check("300 words, all three together") as c:
    p = np.random.default_rng(44).dirichlet(np.full(300, 0.3))
    for settings in [(0.7, 20, 0.9), (1.5, 50, 0.5), (0.2, 5, 1.0), (1.0, 300, 0.01)]:
        got = careful(p, *settings)
        if c.close(f"{settings}", got, expected(p, *settings)):
            got = np.asarray(got)
            c.show("likeliest, and how many stay", [got.max(), int(np.sum(got > 0))])
torch_careful = expected
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Top-k keeps ten words whether the model is sure or not. The nucleus asks the model: at a share of ½ it keeps
# one word after *the United* and 184 after *in the* (lecture 07). Its test looks at what comes *before* a
# word, so that the set is never empty and the share is reached.


# %% wrong="draw" why="multiplies by 1/τ instead of taking the power" says="τ = 0.5"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    p = p / temperature
    p = p / p.sum()
    order = np.argsort(-p)
    keep = (np.cumsum(p[order]) - p[order] < nucleus) & (
        np.arange(len(p)) < (top_k or len(p))
    )
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept / kept.sum()


# %% wrong="draw" why="loses the word that reaches the share" says="Does the word that reaches the share stay"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    p = p ** (1 / temperature)
    p = p / p.sum()
    order = np.argsort(-p)
    keep = (np.cumsum(p[order]) <= nucleus + 1e-12) & (
        np.arange(len(p)) < (top_k or len(p))
    )
    keep[0] = True
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept / kept.sum()


# %% wrong="draw" why="cuts, but leaves a sum below 1" says="do they sum to 1"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    p = p ** (1 / temperature)
    p = p / p.sum()
    order = np.argsort(-p)
    keep = (np.cumsum(p[order]) - p[order] < nucleus) & (
        np.arange(len(p)) < (top_k or len(p))
    )
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept


# %% wrong="draw" why="chooses the nucleus before the temperature" says="In which order"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    order = np.argsort(-p)
    keep = (np.cumsum(p[order]) - p[order] < nucleus) & (
        np.arange(len(p)) < (top_k or len(p))
    )
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]] ** (1 / temperature)
    return kept / kept.sum()


# %% wrong="draw" why="measures the share among the k words only" says="on all words or on the three"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    p = p ** (1 / temperature)
    p[np.argsort(-p)[top_k or len(p) :]] = 0
    p = p / p.sum()
    order = np.argsort(-p)
    keep = np.cumsum(p[order]) - p[order] < nucleus
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept / kept.sum()


# %% wrong="draw" why="returns the words in sorted order" says="the same values in another order"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    p = np.sort(p ** (1 / temperature))[::-1]
    p = p / p.sum()
    keep = (np.cumsum(p) - p < nucleus) & (np.arange(len(p)) < (top_k or len(p)))
    kept = np.where(keep, p, 0)
    return kept / kept.sum()


# %% right="draw" why="by thresholds, word by word"
def careful(p, temperature=1.0, top_k=None, nucleus=1.0):
    weights = np.exp(np.log(np.maximum(p, 1e-300)) / temperature)
    weights = weights / np.sum(weights)
    out = np.zeros(len(p))
    for word, weight in enumerate(weights):
        likelier = weights[weights > weight]
        if len(likelier) < (top_k or len(p)) and np.sum(likelier) < nucleus:
            out[word] = weight
    return out / out.sum()


# %% [markdown]
# ## Question 5 · What Kneser–Ney counts
# ★★ · 20 minutes · 3 points
#
# Kneser–Ney smoothing asks of the shorter n-grams not how often they occur, but after how many different
# words. `raw` holds all n-grams of a text as tuples, from length 1 to the order, with how often each occurs.
# The token `"<s>"` stands before each sentence. The count $a$ that Kneser–Ney uses is
#
# $$a(w_1 … w_n) = \begin{cases} \text{its raw count} & \text{if } n \text{ is the order, or } w_1 \text{ is } \texttt{<s>} \\
# |\{v : v\,w_1 … w_n \text{ occurs}\}| & \text{else} \end{cases} \tag{5}$$
#
# No word can stand before `"<s>"`, hence the exception. The unigram `("<s>",)` itself is left out, as `<s>` is
# never predicted.
#
# <details><summary>Hint 1</summary>
#
# Every n-gram that is one word longer votes once for the n-gram without its first word, however
# often it occurs.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `Counter(gram[1:] for gram in raw if len(gram) > 1)` counts those votes. For which n-grams do you not
# need them?
#
# </details>


# %% answer="counts"
def kneser_ney_counts(raw, order):
    """Kneser-Ney's counts of n-grams.

    Args:
        raw: dict, n-gram (a tuple of words) -> how often it occurs, all lengths 1 … order;
            left as it is.
        order: length of the longest n-grams.

    Returns:
        dict, n-gram -> count a (an int), for all n-grams of raw but ("<s>",).

    Example: raw {("<s>",): 2, ("a",): 3, ("<s>", "a"): 2, ("a", "a"): 1}, order 2
        -> {("a",): 2, ("<s>", "a"): 2, ("a", "a"): 1}
    """
    # BEGIN SOLUTION
    votes = Counter(gram[1:] for gram in raw)
    return {
        gram: count if len(gram) == order or gram[0] == "<s>" else votes[gram]
        for gram, count in raw.items()
        if gram != ("<s>",)
    }
    # END SOLUTION


# %%
def sentences_of(ids, starts):
    """Lists of words, "<s>" first; word i is called "wi"."""
    return [["<s>", *(f"w{i}" for i in ids[a:b])] for a, b in pairwise(starts)]


def raw_counts(ids, starts, order):
    """All n-grams of lengths 1 to order, as a dictionary."""
    grams = [everygrams(s, max_len=order) for s in sentences_of(ids, starts)]
    return dict(Counter(gram for sentence in grams for gram in sentence))


def helper_counts(ids, starts, order, V):
    """Kneser–Ney's counts by the sorted arrays of helpers.ngram."""
    ngrams = count_ngrams(ids, order, V, starts)
    grams, counts = [()], {}
    names = [f"w{i}" for i in range(V)] + ["<s>"]
    for table, values in zip(ngrams.tables, continuation_counts(ngrams), strict=True):
        last = table.keys % (V + 1)
        grams = [
            (*grams[c], names[w]) for c, w in zip(table.contexts, last, strict=True)
        ]
        counts |= {g: int(n) for g, n in zip(grams, values, strict=True) if n > 0}
    return counts


def in_order(counts):
    """Sorted by n-gram, and whole numbers as int, to print every right answer alike."""
    return {g: int(n) if n == int(n) else n for g, n in sorted(counts.items())}


def by_length(counts):
    """Sum of counts, and sum of their squares, for each length of n-gram."""
    lengths = sorted({len(gram) for gram in counts})
    values = [[n for gram, n in counts.items() if len(gram) == k] for k in lengths]
    return [int(np.sum(v)) for v in values] + [
        int(np.sum(np.square(v))) for v in values
    ]


# %% check="counts" points=1
with check("Bigrams of 60 words in 8 sentences") as c:
    ids, starts = random_text(51, 60, 5, 8)
    got = kneser_ney_counts(raw_counts(ids, starts, 2), 2)
    want = helper_counts(ids, starts, 2, 5)
    c.equal(
        "counts",
        in_order(got),
        in_order(want),
        hint="Take one word: which different words stand before it? Is <s> one of them?",
    )
    c.show("sums, and sums of squares", by_length(got))

# %% check="counts" part="trigrams" points=1
with check("Trigrams of 80 words in 9 sentences") as c:
    ids, starts = random_text(52, 80, 5, 9)
    raw = raw_counts(ids, starts, 3)
    before = raw.copy()
    got = kneser_ney_counts(raw, 3)
    want = helper_counts(ids, starts, 3, 5)
    c.equal(
        "counts",
        in_order(got),
        in_order(want),
        hint="Compare a bigram that begins with <s> with one that does not.",
    )
    c.true("your function leaves raw as it was", raw == before, len(raw))
    c.show("sums, and sums of squares", by_length(got))

# %% check="counts" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Orders 1, 2 and 4") as c:
    for order in (1, 2, 4):
        ids, starts = random_text(53 + order, 200, 7, 30)
        got = kneser_ney_counts(raw_counts(ids, starts, order), order)
        c.equal("right", got == helper_counts(ids, starts, order, 7), True)
        c.show("sums, and sums of squares", by_length(got))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The votes are counted over *different* longer n-grams: the keys of `raw`, whatever their values. In
# `helpers/ngram.py` this is one `np.bincount` over the array `suffixes`.


# %% wrong="counts" why="keeps the raw counts everywhere" says="which different words stand before it"
def kneser_ney_counts(raw, order):
    return {gram: n for gram, n in raw.items() if gram != ("<s>",)}


# %% wrong="counts" why="counts the words after an n-gram, not before it" says="which different words stand before it"
def kneser_ney_counts(raw, order):
    votes = Counter(gram[:-1] for gram in raw)
    return {
        gram: n if len(gram) == order or gram[0] == "<s>" else votes[gram]
        for gram, n in raw.items()
        if gram != ("<s>",)
    }


# %% wrong="counts" why="adds up how often the longer n-grams occur" says="which different words stand before it"
def kneser_ney_counts(raw, order):
    votes = Counter()
    for gram, n in raw.items():
        votes[gram[1:]] += n
    return {
        gram: n if len(gram) == order or gram[0] == "<s>" else votes[gram]
        for gram, n in raw.items()
        if gram != ("<s>",)
    }


# %% wrong="counts" why="forgets the exception: what begins with <s> counts 0" says="begins with <s>"
def kneser_ney_counts(raw, order):
    votes = Counter(gram[1:] for gram in raw)
    return {
        gram: n if len(gram) == order else votes[gram]
        for gram, n in raw.items()
        if gram != ("<s>",)
    }


# %% right="counts" why="with sets of the words before"
def kneser_ney_counts(raw, order):
    before = {gram: set() for gram in raw}
    for gram in raw:
        if len(gram) > 1:
            before[gram[1:]].add(gram[0])
    counts = {}
    for gram in raw:
        if gram == ("<s>",):
            continue
        own = len(gram) == order or gram[0] == "<s>"
        counts[gram] = raw[gram] if own else len(before[gram])
    return counts


# %% [markdown]
# ## Question 6 · Kneser–Ney for every order
# ★★★ · 40 minutes · 6 points
#
# Given counts $a$ as in (5), interpolated Kneser–Ney takes a discount $D$ off each, and hands what it took to the
# shorter context $h'$, which is $h$ without its first word (Chen & Goodman 1998):
#
# $$p(w \mid h) = \frac{\max(a(h\,w) - D, 0)}{\sum_{w'} a(h\,w')} + \frac{D \cdot |\{w' : a(h\,w') > 0\}|}{\sum_{w'} a(h\,w')}\; p(w \mid h') \tag{6}$$
#
# The recursion goes down to the empty context $()$ and, below it, to $1/V$. A context that nothing follows hands
# everything to the shorter one: $p(w \mid h) = p(w \mid h')$. A context longer than the order allows
# loses its *first* words.
#
# Return the probabilities of all words of `vocabulary`, in its order. They sum to 1 for every context.
#
# <details><summary>Hint 1</summary>
#
# Write it as a recursion: first compute the array for the shorter context, then add to it. What is returned
# below the empty context?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `a = np.array([counts.get((*context, w), 0) for w in vocabulary])` is all you need of one context: its sum,
# and how many are above 0.
#
# </details>


# %% answer="kneserney"
def p_kneser_ney(context, counts, vocabulary, order, D):
    """p(w | context) of every word, by interpolated Kneser-Ney.

    Args:
        context: tuple of words, perhaps "<s>" first; may be empty, unseen or too long.
        counts: dict, n-gram (a tuple of words) -> count a > 0, all lengths 1 … order;
            left as it is.
        vocabulary: list of V words in any order; "<s>" is not among them.
        order: length of the longest n-grams.
        D: the discount, between 0 and 1.

    Returns:
        (V,) floats with sum 1.

    Example: order 1, counts {("a",): 3, ("b",): 1}, vocabulary ["a", "b", "c"], D .5,
        context () -> [.7083, .2083, .0833]
    """
    # BEGIN SOLUTION
    context = context[max(0, len(context) - order + 1) :]
    if context:
        lower = p_kneser_ney(context[1:], counts, vocabulary, order, D)
    else:
        lower = np.full(len(vocabulary), 1 / len(vocabulary))
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return lower
    return (np.maximum(a - D, 0) + D * np.sum(a > 0) * lower) / a.sum()
    # END SOLUTION


# %%
def compare_with_helper(c, seed, order, V, D, contexts, hint=""):
    """Check the student's probabilities after contexts, given as tuples of ids."""
    ids, starts = random_text(seed, 150, V - 2, 20)  # the last two words never occur
    counts = helper_counts(ids, starts, order, V)
    before = counts.copy()
    names = [f"w{i}" for i in range(V)]
    shuffled = np.random.default_rng(seed).permutation(V)
    vocabulary = [names[i] for i in shuffled]
    model = kneser_ney(count_ngrams(ids, order, V, starts), [D] * order)
    for context in contexts:
        words = tuple([*names, "<s>"][i] for i in context)
        got = p_kneser_ney(words, counts, vocabulary, order, D)
        want = model.probabilities(context)[shuffled]
        c.close(f"after ({' '.join(words)})", got, want, digits=3, hint=hint)
    c.true("your function leaves counts as they were", counts == before, len(counts))


# %% check="kneserney" part="bigrams" points=2
with check(
    "Bigrams, V = 6, D = 0.7: no context, a start, a word, an unknown word"
) as c:
    compare_with_helper(
        c, 61, 2, 6, 0.7, [(), (6,), (0,), (3,), (5,)],
        hint="Where does 1/V enter? Which words get a share of what was taken: all, or "
        "only those that were not seen?",
    )  # fmt: skip

# %% check="kneserney" part="longer" points=2
with check("Orders 3 and 4: seen and unseen contexts, and too long ones") as c:
    hint = "Which word of the context goes first? What if nothing follows a context?"
    compare_with_helper(
        c, 62, 3, 7, 0.6, [(0, 1), (7, 0), (4, 6), (6, 2), (2, 5, 0, 1)], hint
    )
    compare_with_helper(
        c, 63, 4, 5, 0.9, [(0, 1, 0), (5, 0, 0), (3, 3, 4), (1, 0, 0, 2, 1)], hint
    )

# %% check="kneserney" part="sums" points=1
with check("All 216 contexts of three words out of six sum to 1") as c:
    ids, starts = random_text(64, 150, 5, 20)
    counts = helper_counts(ids, starts, 4, 6)
    names = [f"w{i}" for i in range(6)]
    p = np.array(
        [p_kneser_ney(h, counts, names, 4, 0.75) for h in product(names, repeat=3)],
        dtype=float,
    )
    c.shape("probabilities", p, (216, 6))
    c.close("sums", p.sum(axis=1), np.ones(216), hint="Find a context where it fails.")
    model = kneser_ney(count_ngrams(ids, 4, 6, starts), [0.75] * 4)
    want = np.array([model.probabilities(h) for h in product(range(6), repeat=3)])
    c.close("means over contexts", p.mean(axis=0), want.mean(axis=0))
    c.close("entropies", np.sort(stats.entropy(p, axis=1))[::43],
            np.sort(stats.entropy(want, axis=1))[::43])  # fmt: skip

# %% check="kneserney" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Orders 1 to 5, random contexts") as c:
    rng = np.random.default_rng(65)
    for order in (1, 2, 3, 5):
        contexts = [tuple(rng.integers(0, 8, size=n).tolist()) for n in (0, 1, 2, 4, 6)]
        contexts.append((8, *contexts[2]))
        D = rng.uniform(0.1, 0.95)
        for seed in (65 + order, 75 + order):
            ids, starts = random_text(seed, 150, 6, 20)
            longest = starts[np.argmax(np.diff(starts))]
            seen = tuple(ids[longest : longest + order].tolist())
            compare_with_helper(c, seed, order, 8, D, [*contexts, seen, seen[1:]])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Why does it sum to 1? What is taken off is $D$ for each word seen after $h$, in all $D \cdot |\{w' : a(h\,w') > 0\}|$
# of $\sum a$. Exactly that share is handed to $p(\cdot \mid h')$, which sums to 1 itself. So by induction from $1/V$
# all do. **All** words receive from below, the seen ones too: interpolation. Giving it to unseen words only
# is back-off, which needs another weight.


# %% wrong="kneserney" why="uniform: every word alike" says="Where does 1/V enter"
def p_kneser_ney(context, counts, vocabulary, order, D):
    return np.full(len(vocabulary), 1 / len(vocabulary))


# %% wrong="kneserney" why="a plain unigram model, whatever the context" says="Where does 1/V enter"
def p_kneser_ney(context, counts, vocabulary, order, D):
    a = np.array([counts.get((w,), 0) for w in vocabulary])
    return a / a.sum()


# %% wrong="kneserney" why="a discounted unigram model, whatever the context" says="after (<s>)"
def p_kneser_ney(context, counts, vocabulary, order, D):
    a = np.array([counts.get((w,), 0) for w in vocabulary])
    taken = D * np.sum(a > 0) / len(vocabulary)
    return (np.maximum(a - D, 0) + taken) / a.sum()


# %% wrong="kneserney" why="hands D down once, not once for each word seen" says="Where does 1/V enter"
def p_kneser_ney(context, counts, vocabulary, order, D):
    context = context[max(0, len(context) - order + 1) :]
    lower = np.full(len(vocabulary), 1 / len(vocabulary))
    if context:
        lower = p_kneser_ney(context[1:], counts, vocabulary, order, D)
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return lower
    return (np.maximum(a - D, 0) + D * lower) / a.sum()


# %% wrong="kneserney" why="drops the last word of the context, not the first" says="Which word of the context goes first"
def p_kneser_ney(context, counts, vocabulary, order, D):
    context = context[max(0, len(context) - order + 1) :]
    lower = np.full(len(vocabulary), 1 / len(vocabulary))
    if context:
        lower = p_kneser_ney(context[:-1], counts, vocabulary, order, D)
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return lower
    return (np.maximum(a - D, 0) + D * np.sum(a > 0) * lower) / a.sum()


# %% wrong="kneserney" why="keeps the first words of a context that is too long" says="after (w2 w5 w0 w1)"
def p_kneser_ney(context, counts, vocabulary, order, D):
    context = context[: order - 1]
    lower = np.full(len(vocabulary), 1 / len(vocabulary))
    if context:
        lower = p_kneser_ney(context[1:], counts, vocabulary, order, D)
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return lower
    return (np.maximum(a - D, 0) + D * np.sum(a > 0) * lower) / a.sum()


# %% wrong="kneserney" why="backs off: only unseen words receive what was taken" says="all, or only those"
def p_kneser_ney(context, counts, vocabulary, order, D):
    context = context[max(0, len(context) - order + 1) :]
    lower = np.full(len(vocabulary), 1 / len(vocabulary))
    if context:
        lower = p_kneser_ney(context[1:], counts, vocabulary, order, D)
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return lower
    rest = np.where(a > 0, 0, lower)
    rest = rest / max(rest.sum(), 1e-300)
    return (np.maximum(a - D, 0) + D * np.sum(a > 0) * rest) / a.sum()


# %% wrong="kneserney" why="an unseen context ends the recursion at 1/V" says="after (w5)"
def p_kneser_ney(context, counts, vocabulary, order, D):
    context = context[max(0, len(context) - order + 1) :]
    uniform = np.full(len(vocabulary), 1 / len(vocabulary))
    a = np.array([counts.get((*context, w), 0) for w in vocabulary])
    if a.sum() == 0:
        return uniform
    lower = (
        p_kneser_ney(context[1:], counts, vocabulary, order, D) if context else uniform
    )
    return (np.maximum(a - D, 0) + D * np.sum(a > 0) * lower) / a.sum()


# %% right="kneserney" why="from the empty context upwards, without recursion"
def p_kneser_ney(context, counts, vocabulary, order, D):
    p = np.ones(len(vocabulary)) / len(vocabulary)
    for length in range(min(order - 1, len(context)) + 1):
        h = context[len(context) - length :]
        followers = {g[-1]: n for g, n in counts.items() if g[:-1] == h}
        total = sum(followers.values())
        if total:
            own = np.array([max(followers.get(w, 0) - D, 0.0) for w in vocabulary])
            p = own / total + D * len(followers) / total * p
    return p


# %% [markdown]
# ## Question 7 · The noisy channel
# ★★★ · 40 minutes · 5 points
#
# You hear phonemes (units of sound) $a_1 … a_J$; somebody said $s_1 … s_L$. In our channel each phoneme said is
# heard right, heard as a wrong one, or lost; and between them phonemes may be added that nobody said. An **alignment**
# tells which of these happened, from left to right. Its probability is the product of its steps, and $p(a \mid s)$ the
# sum over all alignments. With $f_{l,j}$ for the first $l$ phonemes said and the first $j$ heard, $f_{0,0} = 1$ and
#
# $$f_{l,j} = f_{l-1,j-1}\, m(s_l, a_j) + f_{l-1,j}\,\text{lost} + f_{l,j-1}\,\text{added} \tag{7}$$
#
# where $m$ is `right` if both are the same, else `wrong`, and terms with a negative index are 0. Return $f_{L,J}$.
#
# Then decide. For candidate sentences with channel probabilities $p(a \mid s)$ and *logarithms* of their prior
# probabilities, return the posterior among the candidates:
#
# $$p(s \mid a) = \frac{p(a \mid s)\, p(s)}{\sum_{s'} p(a \mid s')\, p(s')} \tag{8}$$
#
# A long sentence has a prior like $e^{-900}$, which is 0 to a computer. The posterior is not.
#
# <details><summary>Hint 1</summary>
#
# Fill a table of $(L + 1) \times (J + 1)$ numbers row by row. Its first row and first column are not all zeros:
# everything may be added, or lost.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Add logarithms. Before `np.exp`, take off the largest: it divides out.
#
# </details>


# %% answer="channel"
def channel(said, heard, right, wrong, lost, added):
    """p(heard | said), summed over all alignments: a float.

    Args:
        said: list of L phonemes.
        heard: list of J phonemes.
        right, wrong, lost, added: probabilities of the four kinds of step.

    Example: said ["B"], heard ["B"], .8, .01, .1, .05 -> .8 + 2 · .1 · .05 = .81
    """
    # BEGIN SOLUTION
    f = np.zeros((len(said) + 1, len(heard) + 1))
    f[0, 0] = 1
    for i, j in product(range(len(said) + 1), range(len(heard) + 1)):
        if i and j:
            match = right if said[i - 1] == heard[j - 1] else wrong
            f[i, j] += f[i - 1, j - 1] * match
        if i:
            f[i, j] += f[i - 1, j] * lost
        if j:
            f[i, j] += f[i, j - 1] * added
    return f[-1, -1]
    # END SOLUTION


def posterior(p_channel, log_prior):
    """p(s | a) of each candidate.

    Args:
        p_channel: (n,) floats, p(a | s).
        log_prior: (n,) floats, natural logarithms of p(s).

    Returns:
        (n,) floats with sum 1.

    Example: [.1, .4], [log .2, log .1] -> [1/3, 2/3]
    """
    # BEGIN SOLUTION
    return special.softmax(np.log(p_channel) + log_prior)
    # END SOLUTION


# %%
def all_alignments(said, heard, right, wrong, lost, added):
    """p(heard | said) by listing which phonemes are paired, for short words.

    Between two pairs stand phonemes lost and added, in any order.
    """
    total = 0.0
    for k in range(min(len(said), len(heard)) + 1):
        for pairs in product(
            combinations(range(len(said)), k), combinations(range(len(heard)), k)
        ):
            p = lost ** (len(said) - k) * added ** (len(heard) - k)
            for i, j in zip(*pairs, strict=True):
                p *= right if said[i] == heard[j] else wrong
            gaps = [np.diff([-1, *rows, n]) - 1 for rows, n in
                    zip(pairs, (len(said), len(heard)), strict=True)]  # fmt: skip
            total += p * special.comb(sum(gaps), gaps[0]).prod()
    return total


def decimal_posterior(p_channel, log_prior):
    """The posterior in decimal numbers of any size, which are slow but never 0."""
    joint = [
        Decimal(float(p)) * Decimal(float(log)).exp()
        for p, log in zip(p_channel, log_prior, strict=True)
    ]
    return np.array([float(p / sum(joint)) for p in joint])


step_probabilities = {"right": 0.8, "wrong": 0.002, "lost": 0.07, "added": 0.03}

# %% check="channel" part="table" points=1
with check("Short words, against a list of all alignments") as c:
    for said, heard in [
        ("B", "B"),
        ("BAT", "PAD"),
        ("SPEECH", "BEACH"),
        ("A", ""),
        ("", "AB"),
    ]:
        c.close(
            f"{said!r} heard as {heard!r}, × 1000",
            1000 * channel(list(said), list(heard), **step_probabilities),
            1000 * all_alignments(said, heard, **step_probabilities),
            hint="List the alignments of 'B' and 'B' on paper: there are three.",
        )

# %% check="channel" part="posterior" points=1
with check("Posteriors of four candidates, the last set with tiny priors") as c:
    rng = np.random.default_rng(71)
    for shift in (0, -900):
        p_channel = rng.uniform(1e-6, 1e-2, size=4)
        log_prior = shift + rng.normal(size=4) * 3
        c.close(
            f"log priors near {shift}",
            posterior(p_channel, log_prior),
            decimal_posterior(p_channel, log_prior),
            hint="Is the prior a logarithm? What is np.exp(-900)?",
        )

# %%
vocabulary, streams = load_wikitext2_streams()
prior = modified_kneser_ney(
    count_ngrams(streams["train"].ids, 3, len(vocabulary), streams["train"].starts)
)
pronunciations = load_cmudict()


def phonemes(line):
    """How a line sounds, without stress."""
    spoken = [pronunciations[word][0] for word in line.split()]
    return [phoneme.rstrip("012") for word in spoken for phoneme in word]


def log_prior_of(lines):
    """Natural logarithms of the lines' probabilities."""
    streams = [encode_lines([line.split()], vocabulary) for line in lines]
    return np.array([prior.log_probabilities(s.ids).sum() for s in streams])


# %% check="channel" part="sentences" points=2 tags=["rtol=1e-3"]
readings = [
    ["the ship sank at sea during the night", "the ship sank at see during the night",
     "the ship sank at sea during the knight", "the ship sang at sea during the night"],
    ["he wrote the book in two weeks", "he wrote the book in to weeks",
     "he wrote the book in too weeks", "he wrote the book in two weak"],
]  # fmt: skip
with check("What was said? One phoneme of each was lost") as c:
    for lines, lost_place in zip(readings, (8, 17), strict=True):
        heard = phonemes(lines[0])
        del heard[lost_place]
        p_channel = np.array(
            [channel(phonemes(line), heard, **step_probabilities) for line in lines]
        )
        p = posterior(p_channel, log_prior_of(lines))
        c.show("log10 of the channel", np.log10(p_channel))
        c.show("posterior", p)
        c.show("said", lines[int(np.argmax(p))])
        c.close(
            "odds of the first two",
            p[0] / p[1],
            np.exp(log_prior_of(lines[:1]) - log_prior_of(lines[1:2]))[0],
            rtol=1e-6,
            hint="The first two sound alike. What then decides between them?",
        )

# %% check="channel" part="hidden" points=1
# BEGIN HIDDEN TESTS
expected, exact = all_alignments, decimal_posterior
all_alignments = decimal_posterior = None
with check("Random phonemes and steps") as c:
    rng = np.random.default_rng(72)
    for L, J in [(3, 5), (6, 2), (5, 5), (0, 3)]:
        said, heard = (
            rng.integers(0, 3, size=L).tolist(),
            rng.integers(0, 3, size=J).tolist(),
        )
        right, wrong, lost, added = rng.dirichlet([5, 1, 1, 1])
        got = channel(said, heard, right, wrong, lost, added)
        c.close(
            "p × 1000",
            1000 * got,
            1000 * expected(said, heard, right, wrong, lost, added),
        )
    p_channel, log_prior = rng.uniform(1e-9, 1e-2, size=6), rng.normal(-2000, 4, size=6)
    want = exact(p_channel, log_prior)
    c.close("posterior", posterior(p_channel, log_prior), want)
    p_channel = np.array([1e-3, 2e-3, 1e-20, 1e-3])
    log_prior = np.array([-3000.0, -3010.0, -900.0, -940.0])
    want = exact(p_channel, log_prior)
    c.close("priors far apart", posterior(p_channel, log_prior), want)
all_alignments, decimal_posterior = expected, exact
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# *Sea* and *see* sound alike, so their odds are the prior's odds alone: the channel divides out. Both times
# one phoneme was lost, and what is left sounds exactly like the last candidate. *In two weak* is so
# improbable that the prior overrules the ear. *The ship sang* is improbable too, but not enough: the ear wins, and
# the decoder errs. A better channel would know that a *k* between consonants is often lost, a better prior
# that ships don't sing.
#
# The table needs $(L + 1)(J + 1)$ steps, while the alignments that it sums grow exponentially. And (8) in
# logarithms is a softmax, which takes off the largest for you.


# %% wrong="channel" why="takes the best alignment instead of the sum" says="there are three"
def channel(said, heard, right, wrong, lost, added):
    f = np.zeros((len(said) + 1, len(heard) + 1))
    f[0, 0] = 1
    for i, j in product(range(len(said) + 1), range(len(heard) + 1)):
        if i and j:
            match = right if said[i - 1] == heard[j - 1] else wrong
            f[i, j] = max(f[i, j], f[i - 1, j - 1] * match)
        if i:
            f[i, j] = max(f[i, j], f[i - 1, j] * lost)
        if j:
            f[i, j] = max(f[i, j], f[i, j - 1] * added)
    return f[-1, -1]


def posterior(p_channel, log_prior):
    return special.softmax(np.log(p_channel) + log_prior)


# %% wrong="channel" why="leaves the first row and column at 0" says="there are three"
def channel(said, heard, right, wrong, lost, added):
    f = np.zeros((len(said) + 1, len(heard) + 1))
    f[0, 0] = 1
    for i, j in product(range(1, len(said) + 1), range(1, len(heard) + 1)):
        match = right if said[i - 1] == heard[j - 1] else wrong
        f[i, j] = f[i - 1, j - 1] * match + f[i - 1, j] * lost + f[i, j - 1] * added
    return f[-1, -1]


def posterior(p_channel, log_prior):
    return special.softmax(np.log(p_channel) + log_prior)


# %% wrong="channel" why="exchanges lost and added" says="'BAT' heard"
def channel(said, heard, right, wrong, lost, added):
    f = np.zeros((len(said) + 1, len(heard) + 1))
    f[0, 0] = 1
    for i, j in product(range(len(said) + 1), range(len(heard) + 1)):
        if i and j:
            match = right if said[i - 1] == heard[j - 1] else wrong
            f[i, j] += f[i - 1, j - 1] * match
        if i:
            f[i, j] += f[i - 1, j] * added
        if j:
            f[i, j] += f[i, j - 1] * lost
    return f[-1, -1]


def posterior(p_channel, log_prior):
    return special.softmax(np.log(p_channel) + log_prior)


# %% wrong="channel" why="leaves the logarithms: 0 / 0 for long sentences" says="What is np.exp(-900)"
def channel(said, heard, right, wrong, lost, added):
    row = added ** np.arange(len(heard) + 1.0)
    for phoneme in said:
        above, row = row, np.empty_like(row)
        row[0] = above[0] * lost
        for j, other in enumerate(heard, 1):
            match = right if phoneme == other else wrong
            row[j] = above[j - 1] * match + above[j] * lost + row[j - 1] * added
    return row[-1]


def posterior(p_channel, log_prior):
    p = p_channel * np.exp(log_prior)
    with np.errstate(invalid="ignore"):
        return p / p.sum()


# %% wrong="channel" why="forgets the prior" says="Is the prior a logarithm"
def channel(said, heard, right, wrong, lost, added):
    row = added ** np.arange(len(heard) + 1.0)
    for phoneme in said:
        above, row = row, np.empty_like(row)
        row[0] = above[0] * lost
        for j, other in enumerate(heard, 1):
            match = right if phoneme == other else wrong
            row[j] = above[j - 1] * match + above[j] * lost + row[j - 1] * added
    return row[-1]


def posterior(p_channel, log_prior):
    return p_channel / p_channel.sum()


# %% right="channel" why="row by row, and in logarithms to the end"
def channel(said, heard, right, wrong, lost, added):
    row = added ** np.arange(len(heard) + 1.0)
    for phoneme in said:
        above, row = row, np.empty_like(row)
        row[0] = above[0] * lost
        for j, other in enumerate(heard, 1):
            match = right if phoneme == other else wrong
            row[j] = above[j - 1] * match + above[j] * lost + row[j - 1] * added
    return row[-1]


def posterior(p_channel, log_prior):
    scores = np.log(p_channel) + log_prior
    return np.exp(scores - special.logsumexp(scores))


# %% [markdown]
# **Defend it** (no points, five lines). One of the two sentences above was misheard. Would you mend the
# channel or the prior? Say what you would measure, on which data, and how you would know that it helped.
