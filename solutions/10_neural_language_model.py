# %% [markdown]
# # Exercise 10 · A neural language model
#
# **What you build.** The network of Bengio et al. (2003) in NumPy, part by part: the windows it reads, the lookup and its
# gradient, its probabilities, and all of its gradients by hand. And a mixture with n-grams that knows when to trust whom.
#
# *You need* lecture 10. *It takes* about two and a half hours. *It is worth* 30 points in six
# questions, which don't depend on one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points, so half an answer earns half of them. To
# see where you stand, save the notebook and give its path to `.venv/bin/course check`: it tells
# your points in words. `.venv/bin/pytest --nbval` shows each difference.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ invent or investigate.
#
# **Rules.** Derivatives are yours to write: autograd is switched off, and torch would say that a tensor "does not require grad". Functions that are
# there "for the checks to compare with" can't be called by your answers when they are graded.

# %%
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from nltk.util import ngrams
from scipy import special
from scipy.optimize import minimize, minimize_scalar
from scipy.spatial.distance import cdist
from torch.optim import Adagrad

from helpers.course.checks import check
from helpers.device import seed_everything
from helpers.language_model import (
    FeedForwardLanguageModel,
    Objective,
    feedforward_log_probabilities,
    feedforward_losses,
)
from helpers.likelihood import mix, mixture_weights, perplexity
from helpers.lm_text import load_wikitext2_streams
from helpers.ngram import count_ngrams, modified_kneser_ney

seed_everything(10)
torch.set_grad_enabled(False)  # except for what checks expect, and for training
torch.set_num_threads(1)  # the networks are small: sharing them out costs more


def random_network(seed, V, m, h, n, scale=0.5):
    """Parameters of lecture 10, equation (4), and a generator for the rest."""
    rng = np.random.default_rng(seed)
    shapes = {
        "C": (V, m),
        "W": (n * m, V),
        "U": (h, V),
        "H": (n * m, h),
        "b": V,
        "d": h,
    }
    return {k: scale * rng.normal(size=shape) for k, shape in shapes.items()}, rng


# %% [markdown]
# ## Question 1 · Windows
# ★ · 15 minutes · 4 points
#
# The network predicts each token of a text from the $n$ tokens before it. The text is an array `ids` and an array `starts`: line $l$
# is `ids[starts[l]:starts[l + 1]]`, and may be empty. We take each line for a text of its own, so a window never reaches into the line before. Its places there
# are filled with the word `eos`. Inside a line `eos` is a word like any other. Return all windows:
#
# $$\text{contexts}_t = (w_{t-n}, …, w_{t-1}), \qquad \text{targets}_t = w_t \tag{1}$$
#
# <details><summary>Hint 1</summary>
#
# Put $n$ times `eos` before a line. How many windows of $n + 1$ words does it hold now?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.lib.stride_tricks.sliding_window_view` makes all windows of a line at once.
#
# </details>


# %% answer="windows"
def windows(ids, starts, n, eos):
    """All windows of a text.

    Args:
        ids: (N,) integers, all lines after one another.
        starts: (L + 1,) integers, the lines' boundaries.
        n: words of context.
        eos: the word that stands before a line.

    Returns:
        contexts (N, n), the oldest word first, and targets (N,), integers.

    Example: ids [5, 6, 7], starts [0, 2, 3], n 2, eos 0
        -> [[0, 0], [0, 5], [0, 0]], [5, 6, 7]
    """
    # BEGIN SOLUTION
    contexts = []
    for a, b in pairwise(starts):
        line = [eos] * n + list(ids[a:b])
        contexts += [line[t : t + n] for t in range(b - a)]
    return np.array(contexts), np.array(ids)
    # END SOLUTION


# %%
def nltk_windows(ids, starts, n, eos):
    """The same by nltk, for the checks to compare with."""
    rows = [
        row
        for a, b in pairwise(starts)
        for row in ngrams(ids[a:b].tolist(), n + 1, pad_left=True, left_pad_symbol=eos)
    ]
    rows = [row for row in rows if len(row) == n + 1 and row[-1] is not None]
    return np.array(rows)[:, :n], np.array(rows)[:, n]


# %% check="windows" points=2
with check("Two lines, of 4 and 3 words; three words of context") as c:
    ids, starts = np.array([7, 3, 5, 9, 4, 8, 2]), np.array([0, 4, 7])
    contexts, targets = windows(ids, starts, 3, 1)
    expected = nltk_windows(ids, starts, 3, 1)
    c.equal(
        "contexts",
        contexts,
        expected[0],
        hint="Write the windows of the second line down. Which is oldest? What fills its places before the line?",
    )
    c.equal("targets", targets, expected[1], hint="Every word is predicted once.")

# %% check="windows" part="edges" points=1
with check("Lines of 1, 0, 5 and 2 words; one and four words of context") as c:
    ids = np.array([3, 6, 2, 9, 4, 5, 8, 7])
    starts = np.cumsum([0, 1, 0, 5, 2])
    for n in (1, 4):
        contexts, targets = windows(ids, starts, n, 2)
        expected = nltk_windows(ids, starts, n, 2)
        c.equal(f"n = {n}: contexts", contexts, expected[0],
                hint="Some lines are shorter than the context, and one is empty. Which word is eos here?")  # fmt: skip
        c.dtype(f"n = {n}: contexts", contexts, "integer", hint="They index vectors.")
        c.equal(f"n = {n}: targets", targets, expected[1])

# %% check="windows" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("300 words in 40 lines, with 0 and eos among them; a large vocabulary") as c:
    rng = np.random.default_rng(11)
    ids = rng.choice([0, 3, *rng.integers(4, 40_001, size=20)], size=300)
    starts = np.r_[0, np.sort(rng.integers(0, 301, size=39)), 300]
    starts[20:23] = starts[20]  # two empty lines, one after the other
    ids[starts[10:] - 1] = 3
    contexts, targets = windows(ids, starts, 7, 3)
    expected = nltk_windows(ids, starts, 7, 3)
    if c.equal("contexts", contexts, expected[0]):
        weights = np.arange(1, 8)
        c.show("weighted sum", int(np.asarray(contexts) @ weights @ np.arange(300)))
    c.equal("targets", targets, expected[1])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Every token is predicted once, so there are as many windows as tokens. The first word of a line has a context of nothing but `eos`, which
# tells the network exactly that: a line begins.


# %% wrong="windows" why="reaches into the line before" says="windows of the second line"
def windows(ids, starts, n, eos):
    padded = np.r_[[eos] * n, ids]
    rows = np.lib.stride_tricks.sliding_window_view(padded, n + 1)
    return rows[:, :n], rows[:, n]


# %% wrong="windows" why="puts the newest word first" says="Which is oldest"
def windows(ids, starts, n, eos):
    contexts = []
    for a, b in pairwise(starts):
        line = [eos] * n + list(ids[a:b])
        contexts += [line[t : t + n][::-1] for t in range(b - a)]
    return np.array(contexts), np.array(ids)


# %% wrong="windows" why="skips words without a full context" says="expected (7, 3)"
def windows(ids, starts, n, eos):
    rows = [ids[t : t + n + 1] for a, b in pairwise(starts) for t in range(a, b - n)]
    return np.array(rows)[:, :n], np.array(rows)[:, n]


# %% wrong="windows" why="fills with 0, whatever eos is" says="What fills its places"
def windows(ids, starts, n, eos):
    contexts = []
    for a, b in pairwise(starts):
        line = [0] * n + list(ids[a:b])
        contexts += [line[t : t + n] for t in range(b - a)]
    return np.array(contexts), np.array(ids)


# %% wrong="windows" why="takes eos for 1, as in the first check" says="Which word is eos"
def windows(ids, starts, n, eos):
    contexts = []
    for a, b in pairwise(starts):
        line = [1] * n + list(ids[a:b])
        contexts += [line[t : t + n] for t in range(b - a)]
    return np.array(contexts), np.array(ids)


# %% wrong="windows" why="fills an array of floats" says="expected integer values"
def windows(ids, starts, n, eos):
    contexts = eos * np.ones((len(ids), n))
    for a, b in pairwise(starts):
        for t in range(a, b):
            seen = ids[max(a, t - n) : t]
            contexts[t, n - len(seen) :] = seen
    return contexts, ids.copy()


# %% right="windows" why="by places: all at once, then what lies before the line is overwritten"
def windows(ids, starts, n, eos):
    place = np.arange(len(ids)) - np.repeat(starts[:-1], np.diff(starts))
    back = np.arange(n, 0, -1)
    rows = np.maximum(np.arange(len(ids))[:, None] - back, 0)
    return np.where(place[:, None] >= back, ids[rows], eos), ids.copy()


# %% [markdown]
# ## Question 2 · The lookup and its gradient
# ★ · 20 minutes · 4 points
#
# The lookup joins the vectors of a context's $n$ words:
#
# $$x = \bigl(C(w_{t-n}), …, C(w_{t-1})\bigr) \tag{2}$$
#
# It is linear in $C$, the same $C$ for every place. So a row of the gradient collects from every place where its word stands. If $g_{i,j}$ is the gradient that
# arrives at the $j$-th of the $n$ vectors in example $i$,
#
# $$\frac{\partial L}{\partial C(w)} = \sum_{i, j \,:\, w_{i,j} = w} g_{i,j} \tag{3}$$
#
# <details><summary>Hint 1</summary>
#
# What arrives has the shape of $x$. Reshape it, so that each context word has its $m$ numbers.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `a[[0, 0]] += 1` adds once. `np.add.at` does not forget.
#
# </details>


# %% answer="lookup"
def lookup(C, contexts):
    """Vectors of the context words, joined.

    Args:
        C: (V, m) floats.
        contexts: (batch, n) integers below V.

    Returns:
        (batch, n * m) floats.

    Example: [[1., 2.], [3., 4.]], [[1, 0]] -> [[3., 4., 1., 2.]]
    """
    # BEGIN SOLUTION
    return C[contexts].reshape(len(contexts), -1)
    # END SOLUTION


def lookup_gradient(upstream, contexts, V):
    """Gradient of the loss with respect to C.

    Args:
        upstream: (batch, n * m) floats, that with respect to the lookup's output.
        contexts: (batch, n) integers below V.
        V: number of words.

    Returns:
        (V, m) floats.

    Example: [[1., 2., 10., 20.]], [[1, 1]], 3 -> [[0, 0], [11, 22], [0, 0]]
    """
    # BEGIN SOLUTION
    g = upstream.reshape(*contexts.shape, -1)  # (batch, n, m)
    gradient = np.zeros((V, g.shape[2]))
    np.add.at(gradient, contexts, g)
    return gradient
    # END SOLUTION


# %%
@torch.enable_grad()
def torch_lookup(C, contexts, upstream):
    """Output and gradient by torch, for the checks to compare with."""
    C = torch.tensor(C, requires_grad=True)
    x = F.embedding(torch.tensor(contexts), C).flatten(1)
    x.backward(torch.tensor(upstream))
    return x.detach().numpy(), C.grad.numpy()


# %% check="lookup" points=1
with check("Three contexts of two words, V = 4, m = 3") as c:
    rng = np.random.default_rng(21)
    C, upstream = rng.normal(size=(4, 3)), rng.normal(size=(3, 6))
    contexts = np.array([[0, 2], [3, 1], [2, 3]])
    c.close("x", lookup(C, contexts), torch_lookup(C, contexts, upstream)[0],
            hint="The first m numbers of a row are the vector of the oldest word.")  # fmt: skip

# %% check="lookup" part="gradient" points=2
with check("The gradient, when words come more than once") as c:
    contexts = np.array([[0, 2], [2, 2], [2, 0]])
    c.close(
        "gradient",
        lookup_gradient(upstream, contexts, 4),
        torch_lookup(C, contexts, upstream)[1],
        hint="Word 2 stands at four places, also twice in one context. Words that don't occur have a row too.",
    )

# %% check="lookup" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("40 contexts of four words") as c:
    rng = np.random.default_rng(22)
    C, upstream = rng.normal(size=(11, 5)), rng.normal(size=(40, 20))
    contexts = rng.integers(0, 7, size=(40, 4))
    contexts[[3, 8], 0], contexts[[8, 9], 3] = 8, 10  # word 8 only first, 10 only last
    for name, size in {"all": 40, "the last one alone": 1}.items():
        some, arrived = contexts[-size:], upstream[-size:]
        x, gradient = torch_lookup(C, some, arrived)
        c.close(f"{name}: x", lookup(C, some), x)
        c.close(f"{name}: gradient", lookup_gradient(arrived, some, 11), gradient,
                hint="Does every word get its row, the first and the last too?")  # fmt: skip
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Equation (3) is the transpose of the linear layer on one-hot vectors: $E^\top g$, with a row of $E$ for each place. `np.add.at` does it
# without the zeros. Where an index repeats, plain `+=` keeps only the last sum: the commonest bug of hand-made lookups.


# %% wrong="lookup" why="adds once where an index repeats" says="also twice in one context"
def lookup(C, contexts):
    return C[contexts].reshape(len(contexts), -1)


def lookup_gradient(upstream, contexts, V):
    g = upstream.reshape(*contexts.shape, -1)
    gradient = np.zeros((V, g.shape[2]))
    gradient[contexts] += g
    return gradient


# %% wrong="lookup" why="divides by how often the word comes" says="at four places"
def lookup(C, contexts):
    return C[contexts].reshape(len(contexts), -1)


def lookup_gradient(upstream, contexts, V):
    g = upstream.reshape(*contexts.shape, -1)
    gradient = np.zeros((V, g.shape[2]))
    np.add.at(gradient, contexts, g)
    return gradient / np.maximum(np.bincount(contexts.ravel(), minlength=V), 1)[:, None]


# %% wrong="lookup" why="interleaves the vectors" says="The first m numbers"
def lookup(C, contexts):
    return C[contexts].transpose(0, 2, 1).reshape(len(contexts), -1)


def lookup_gradient(upstream, contexts, V):
    g = upstream.reshape(len(contexts), -1, contexts.shape[1]).transpose(0, 2, 1)
    gradient = np.zeros((V, g.shape[2]))
    np.add.at(gradient, contexts, g)
    return gradient


# %% wrong="lookup" why="leaves out rows after the largest word" says="expected (4, 3)"
def lookup(C, contexts):
    return C[contexts].reshape(len(contexts), -1)


def lookup_gradient(upstream, contexts, V):
    g = upstream.reshape(*contexts.shape, -1)
    gradient = np.zeros((contexts.max() + 1, g.shape[2]))
    np.add.at(gradient, contexts, g)
    return gradient


# %% wrong="lookup" why="stops one word too early" says="the first and the last too"
def lookup(C, contexts):
    return C[contexts].reshape(len(contexts), -1)


def lookup_gradient(upstream, contexts, V):
    g = upstream.reshape(*contexts.shape, -1)
    gradient = np.zeros((V, g.shape[2]))
    for w in range(V - 1):
        gradient[w] = g[contexts == w].sum(axis=0)
    return gradient


# %% right="lookup" why="as the linear layer that it is"
def lookup(C, contexts):
    return np.concatenate([np.eye(len(C))[column] @ C for column in contexts.T], axis=1)


def lookup_gradient(upstream, contexts, V):
    parts = np.split(upstream, contexts.shape[1], axis=1)
    return sum(
        np.eye(V)[column].T @ g for column, g in zip(contexts.T, parts, strict=True)
    )


# %% [markdown]
# ## Question 3 · Nearest by three measures
# ★ · 15 minutes · 4 points
#
# For a word's vector $x$ and another's $y$ there are three measures (lecture 10, eq. 1):
#
# $$x^\top y, \qquad \lVert x - y \rVert, \qquad \frac{x^\top y}{\lVert x \rVert\, \lVert y \rVert} \tag{4}$$
#
# Return the $k$ nearest words by each, nearest first, without the word itself. No vector is zero.
#
# <details><summary>Hint 1</summary>
#
# Near means: a large dot, a *small* distance, a large cosine.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Dividing by $\lVert x \rVert$ changes no order. Dividing by $\lVert y \rVert$ does.
#
# </details>


# %% answer="nearest"
def nearest(X, i, k):
    """The k words nearest to word i by dot, by distance and by cosine.

    Args:
        X: (V, m) floats, row w the vector of word w.
        i: a word.
        k: how many, below V.

    Returns:
        (3, k) integers; rows: dot, distance, cosine.

    Example: [[1., 0.], [9., 9.], [1., 1.], [2., -.5]], 0, 1 -> [[1], [2], [3]]
    """
    # BEGIN SOLUTION
    x, lengths = X[i], np.linalg.norm(X, axis=1)
    costs = np.stack([-X @ x, np.linalg.norm(X - x, axis=1), -X @ x / lengths])
    costs[:, i] = np.inf
    return np.argsort(costs, axis=1)[:, :k]
    # END SOLUTION


# %%
def scipy_nearest(X, i, k):
    """By scipy and sorting in Python, for the checks to compare with."""
    others = [w for w in range(len(X)) if w != i]
    cost = [
        {w: -sum(a * b for a, b in zip(X[i], X[w], strict=True)) for w in others},
        dict(enumerate(cdist(X[i : i + 1], X)[0])),
        dict(enumerate(cdist(X[i : i + 1], X, "cosine")[0])),
    ]
    return np.array([sorted(others, key=c.get)[:k] for c in cost])


# %% check="nearest" points=2
with check("Forty words of all lengths, in three dimensions") as c:
    rng = np.random.default_rng(31)
    X = rng.normal(size=(40, 3)) * rng.uniform(0.3, 3, size=(40, 1))
    for i in (2, 5):
        got, expected = nearest(X, i, 4), scipy_nearest(X, i, 4)
        for name, row, want in zip(
            ("dot", "distance", "cosine"), got, expected, strict=True
        ):
            c.equal(f"word {i} by {name}", row, want,
                    hint="Is large near, or small? Is the word itself out? Which lengths count?")  # fmt: skip

# %% check="nearest" part="far" points=1
with check("All others, so the farthest come too") as c:
    rng = np.random.default_rng(33)
    X = 10 * rng.normal(size=(7, 2)) * rng.uniform(0.3, 3, size=(7, 1))
    c.equal("word 4", nearest(X, 4, 6), scipy_nearest(X, 4, 6),
            hint="Opposite vectors have a negative dot: that is far, not near.")  # fmt: skip

# %% check="nearest" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("60 words in ten dimensions") as c:
    rng = np.random.default_rng(32)
    X = rng.normal(size=(60, 10)) * rng.uniform(0.2, 4, size=(60, 1)) + 0.3
    for i in (0, 4, 59):
        c.equal(f"word {i}", nearest(X, i, 8), scipy_nearest(X, i, 8))
    X[1] = X[4]
    c.equal("word 4, which has a twin", nearest(X, 4, 8), scipy_nearest(X, 4, 8))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The dot favours long vectors whatever their direction, the distance those of a length like $x$'s. Only the cosine looks at direction
# alone. In a trained model length depends on how often a word occurs, which is seldom what you ask about.


# %% wrong="nearest" why="leaves the word itself in" says="Is the word itself out"
def nearest(X, i, k):
    x, lengths = X[i], np.linalg.norm(X, axis=1)
    costs = np.stack([-X @ x, np.linalg.norm(X - x, axis=1), -X @ x / lengths])
    return np.argsort(costs, axis=1)[:, :k]


# %% wrong="nearest" why="takes the largest distance as nearest" says="Is large near, or small"
def nearest(X, i, k):
    x, lengths = X[i], np.linalg.norm(X, axis=1)
    costs = np.stack([-X @ x, -np.linalg.norm(X - x, axis=1), -X @ x / lengths])
    costs[:, i] = np.inf
    return np.argsort(costs, axis=1)[:, :k]


# %% wrong="nearest" why="divides the cosine by the word's own length only" says="Which lengths count"
def nearest(X, i, k):
    x = X[i]
    costs = np.stack(
        [-X @ x, np.linalg.norm(X - x, axis=1), -X @ x / np.linalg.norm(x)]
    )
    costs[:, i] = np.inf
    return np.argsort(costs, axis=1)[:, :k]


# %% wrong="nearest" why="takes the size of the cosine, without its sign" says="that is far, not near"
def nearest(X, i, k):
    x, lengths = X[i], np.linalg.norm(X, axis=1)
    costs = np.stack([-X @ x, np.linalg.norm(X - x, axis=1), -abs(X @ x) / lengths])
    costs[:, i] = np.inf
    return np.argsort(costs, axis=1)[:, :k]


# %% wrong="nearest" why="takes the nearest of all for the word itself" says="Is the word itself out"
def nearest(X, i, k):
    x, lengths = X[i], np.linalg.norm(X, axis=1)
    costs = np.stack([-X @ x, np.linalg.norm(X - x, axis=1), -X @ x / lengths])
    return np.argsort(costs, axis=1)[:, 1 : k + 1]


# %% right="nearest" why="by scipy's distances, the cosine as a distance of unit vectors"
def nearest(X, i, k):
    unit = X / np.sqrt((X**2).sum(axis=1, keepdims=True))
    costs = [-(X @ X[i]), cdist(X, X[[i]])[:, 0], cdist(unit, unit[[i]])[:, 0]]
    rows = [[w for w in np.argsort(cost) if w != i] for cost in costs]
    return np.array([row[:k] for row in rows])


# %% [markdown]
# ## Question 4 · From words to log-probabilities
# ★★ · 30 minutes · 5 points
#
# With $x$ from (2), as row vectors (Bengio et al. 2003, eq. 1):
#
# $$y = b + x W + \tanh(d + x H)\, U, \qquad \log p(w \mid \text{context}) = y_w - \log \sum_{w'} e^{y_{w'}} \tag{5}$$
#
# Compute both for a batch. Scores can lie a few thousand above 0, where $e^y$ is infinite, or below, where it is 0; $\log p$ is finite all the same.
#
# <details><summary>Hint 1</summary>
#
# Write the shape of each product beside it. The skip-layer $W$ and the last layer $U$ both lead to $V$ scores.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A softmax does not change if you take the same number off all scores of a row. Which number makes the largest exponential 1?
#
# </details>


# %% answer="network"
def log_probabilities(p, contexts):
    """log p of every word after each context.

    Args:
        p: dict of float arrays: C (V, m), W (n * m, V), U (h, V), H (n * m, h), b (V,),
            d (h,).
        contexts: (batch, n) integers below V.

    Returns:
        (batch, V) floats; each row's exponentials sum to 1.

    Example: V 2, all parameters 0 -> every number is log(1 / 2)
    """
    # BEGIN SOLUTION
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + x @ p["W"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]
    y = y - y.max(axis=1, keepdims=True)
    return y - np.log(np.exp(y).sum(axis=1, keepdims=True))
    # END SOLUTION


# %%
def torch_log_probabilities(p, contexts):
    """The same by torch's layers, for the checks to compare with."""
    t = {name: torch.tensor(a) for name, a in p.items()}
    x = F.embedding(torch.tensor(contexts), t["C"]).flatten(1)
    hidden = torch.tanh(F.linear(x, t["H"].T, t["d"]))
    y = F.linear(x, t["W"].T, t["b"]) + F.linear(hidden, t["U"].T)
    return F.log_softmax(y, dim=1).numpy()


# %% check="network" points=2
with check("Two contexts of three words, V = 5") as c:
    p, rng = random_network(41, V=5, m=2, h=4, n=3)
    contexts = np.array([[0, 4, 2], [3, 3, 1]])
    got = log_probabilities(p, contexts)
    c.close(
        "log p",
        got,
        torch_log_probabilities(p, contexts),
        hint="Set U to 0, then W to 0, on paper: which terms of (5) are left? Over which axis does p sum to 1?",
    )

# %% check="network" part="large" points=2
with check("Scores of several thousands") as c:
    p, rng = random_network(52, V=6, m=3, h=5, n=2, scale=30)
    contexts = rng.integers(0, 6, size=(3, 2))
    with np.errstate(all="ignore"):
        got = log_probabilities(p, contexts)
    c.close("log p", got, torch_log_probabilities(p, contexts),
            hint="No log p here is infinite. Where do your numbers overflow or vanish?")  # fmt: skip

# %% check="network" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("30 contexts of four words") as c:
    p, rng = random_network(43, V=17, m=5, h=8, n=4)
    contexts = rng.integers(0, 17, size=(30, 4))
    got = log_probabilities(p, contexts)
    c.close("log p", got, torch_log_probabilities(p, contexts))

with check("Scores of several thousands, many below 0") as c:
    p, rng = random_network(58, V=9, m=3, h=5, n=2, scale=30)
    p["W"][:, 1], p["U"][:, 1] = p["W"][:, 0], p["U"][:, 0]
    p["b"] -= 4000
    p["b"][1] = p["b"][0] - 0.5  # so two words share the probability where they lead
    contexts = rng.integers(0, 9, size=(20, 2))
    with np.errstate(all="ignore"):
        got = log_probabilities(p, contexts)
    c.close("log p", got, torch_log_probabilities(p, contexts))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Take the largest score off each row first: then one exponential is 1, none is infinite, and the sum is at least 1. Taking the logarithm *after* the softmax is too
# late, for a probability below $10^{-324}$ is 0 to a computer.


# %% wrong="network" why="forgets the skip-layer connection" says="Set U to 0"
def log_probabilities(p, contexts):
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]
    return special.log_softmax(y, axis=1)


# %% wrong="network" why="takes the logarithm of a finished softmax" says="overflow or vanish"
def log_probabilities(p, contexts):
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + x @ p["W"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]
    return np.log(special.softmax(y, axis=1))


# %% wrong="network" why="takes the largest score of the whole batch off" says="overflow or vanish"
def log_probabilities(p, contexts):
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + x @ p["W"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]
    y = y - y.max()
    return y - np.log(np.exp(y).sum(axis=1, keepdims=True))


# %% wrong="network" why="normalises over the batch" says="Over which axis"
def log_probabilities(p, contexts):
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + x @ p["W"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]
    return special.log_softmax(y, axis=0)


# %% wrong="network" why="adds d outside of tanh" says="values differ"
def log_probabilities(p, contexts):
    x = p["C"][contexts].reshape(len(contexts), -1)
    y = p["b"] + x @ p["W"] + (p["d"] + np.tanh(x @ p["H"])) @ p["U"]
    return special.log_softmax(y, axis=1)


# %% right="network" why="one context at a time, by logsumexp"
def log_probabilities(p, contexts):
    rows = []
    for context in contexts:
        x = np.concatenate([p["C"][word] for word in context])
        a = np.tanh(p["H"].T @ x + p["d"])
        y = p["W"].T @ x + p["U"].T @ a + p["b"]
        rows.append(y - special.logsumexp(y))
    return np.array(rows)


# %% [markdown]
# ## Question 5 · All gradients by hand
# ★★★ · 50 minutes · 8 points
#
# The loss is the cross-entropy, the mean of $-\log p$ over a batch of $N$ examples. Walk back through (5). The first step is the one to remember: with the targets
# as one-hot rows $t$,
#
# $$\frac{\partial L}{\partial y} = \frac{1}{N}\,(p - t) \tag{6}$$
#
# From there on, with $a = \tanh z$ and $z = d + xH$: a product $xW$ sends $x^\top g$ to $W$ and $g W^\top$ to $x$; and $\tanh' z = 1 - a^2$. Two ways lead from $x$ to the scores. Return all six gradients.
# `grad` of lecture 08 or `backward` of torch would do it for you; here, do it yourself. Autograd is off.
#
# <details><summary>Hint 1</summary>
#
# Name the gradients that arrive: `dy` at the scores (N, V), `dz` before the tanh (N, h), `dx` at the joined vectors (N, n m). All others
# are one line from these.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dx` is a sum of two: through $W$, and through $H$. What happens to it at the lookup is question 2.
#
# </details>


# %% answer="gradients"
def gradients(p, contexts, targets):
    """Gradients of the mean cross-entropy.

    Args:
        p: dict of float64 arrays: C (V, m), W (n * m, V), U (h, V), H (n * m, h),
            b (V,), d (h,).
        contexts: (N, n) integers below V.
        targets: (N,) integers below V.

    Returns:
        dict with the keys and the shapes of p, float64.

    Example: V 2, all parameters 0, one example with target 1 -> "b": [.5, -.5]
    """
    # BEGIN SOLUTION
    N, n = contexts.shape
    x = p["C"][contexts].reshape(N, -1)
    a = np.tanh(p["d"] + x @ p["H"])
    dy = special.softmax(p["b"] + x @ p["W"] + a @ p["U"], axis=1)
    dy[np.arange(N), targets] -= 1
    dy /= N
    dz = dy @ p["U"].T * (1 - a**2)
    dx = dy @ p["W"].T + dz @ p["H"].T
    dC = np.zeros_like(p["C"])
    np.add.at(dC, contexts, dx.reshape(N, n, -1))
    return {
        "C": dC,
        "W": x.T @ dy,
        "U": a.T @ dy,
        "H": x.T @ dz,
        "b": dy.sum(axis=0),
        "d": dz.sum(axis=0),
    }
    # END SOLUTION


# %%
@torch.enable_grad()
def torch_gradients(p, contexts, targets):
    """The same by torch's autograd, for the checks to compare with."""
    t = {name: torch.tensor(a, requires_grad=True) for name, a in p.items()}
    x = F.embedding(torch.tensor(contexts), t["C"]).flatten(1)
    y = t["b"] + x @ t["W"] + torch.tanh(t["d"] + x @ t["H"]) @ t["U"]
    F.cross_entropy(y, torch.tensor(targets)).backward()
    return {name: a.grad.numpy() for name, a in t.items()}


def five_examples():
    """A small network and five examples."""
    p, rng = random_network(51, V=6, m=3, h=4, n=2)
    contexts = np.array([[0, 1], [1, 1], [4, 0], [2, 1], [3, 4]])
    return p, contexts, rng.integers(0, 6, size=5)


# %% check="gradients" part="scores" points=2
with check("The last step: b, W and U") as c:
    got, expected = gradients(*five_examples()), torch_gradients(*five_examples())
    for name in "bWU":
        c.close(name, got[name], expected[name],
                hint="Equation (6): are the sign and the 1 / N there?")  # fmt: skip

# %% check="gradients" part="inner" points=2
with check("Through the hidden layer: d and H") as c:
    got, expected = gradients(*five_examples()), torch_gradients(*five_examples())
    for name in "dH":
        c.close(name, got[name], expected[name],
                hint="What arrives at the output of tanh, and what before it?")  # fmt: skip

# %% check="gradients" part="lookup" points=2
with check("Down to the words: C") as c:
    got, expected = gradients(*five_examples()), torch_gradients(*five_examples())
    c.close(
        "C",
        got["C"],
        expected["C"],
        hint="How many ways lead from a word's vector to the scores? Word 1 comes four times.",
    )

# %% check="gradients" part="hidden" points=2
# BEGIN HIDDEN TESTS
with check("64 examples, three words of context") as c:
    p, rng = random_network(52, V=12, m=5, h=7, n=3)
    contexts, targets = rng.integers(0, 11, size=(64, 3)), rng.integers(0, 12, size=64)
    got, expected = (
        gradients(p, contexts, targets),
        torch_gradients(p, contexts, targets),
    )
    for name in "CWUHbd":
        c.close(name, got[name], expected[name])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Equation (6) is why softmax and cross-entropy belong together: from $-\log p_w = \log \sum e^{y} - y_w$ comes $p$ from the first part and $-t$ from the
# second. The gradient is *what the model says minus what is true*. All else is the rule for products, twice along the way, and once more at the fork of $x$, where gradients add.


# %% wrong="gradients" why="sums over the batch instead of the mean" says="the sign and the 1 / N"
def gradients(p, contexts, targets):
    N, n = contexts.shape
    x = p["C"][contexts].reshape(N, -1)
    a = np.tanh(p["d"] + x @ p["H"])
    dy = special.softmax(p["b"] + x @ p["W"] + a @ p["U"], axis=1)
    dy[np.arange(N), targets] -= 1
    dz = dy @ p["U"].T * (1 - a**2)
    dx = dy @ p["W"].T + dz @ p["H"].T
    dC = np.zeros_like(p["C"])
    np.add.at(dC, contexts, dx.reshape(N, n, -1))
    return {"C": dC, "W": x.T @ dy, "U": a.T @ dy, "H": x.T @ dz,
            "b": dy.sum(axis=0), "d": dz.sum(axis=0)}  # fmt: skip


# %% wrong="gradients" why="forgets the derivative of tanh" says="what before it"
def gradients(p, contexts, targets):
    N, n = contexts.shape
    x = p["C"][contexts].reshape(N, -1)
    a = np.tanh(p["d"] + x @ p["H"])
    dy = special.softmax(p["b"] + x @ p["W"] + a @ p["U"], axis=1)
    dy[np.arange(N), targets] -= 1
    dy /= N
    dz = dy @ p["U"].T
    dx = dy @ p["W"].T + dz @ p["H"].T
    dC = np.zeros_like(p["C"])
    np.add.at(dC, contexts, dx.reshape(N, n, -1))
    return {"C": dC, "W": x.T @ dy, "U": a.T @ dy, "H": x.T @ dz,
            "b": dy.sum(axis=0), "d": dz.sum(axis=0)}  # fmt: skip


# %% wrong="gradients" why="forgets the skip-layer on the way to the words" says="How many ways"
def gradients(p, contexts, targets):
    N, n = contexts.shape
    x = p["C"][contexts].reshape(N, -1)
    a = np.tanh(p["d"] + x @ p["H"])
    dy = special.softmax(p["b"] + x @ p["W"] + a @ p["U"], axis=1)
    dy[np.arange(N), targets] -= 1
    dy /= N
    dz = dy @ p["U"].T * (1 - a**2)
    dC = np.zeros_like(p["C"])
    np.add.at(dC, contexts, (dz @ p["H"].T).reshape(N, n, -1))
    return {"C": dC, "W": x.T @ dy, "U": a.T @ dy, "H": x.T @ dz,
            "b": dy.sum(axis=0), "d": dz.sum(axis=0)}  # fmt: skip


# %% wrong="gradients" why="keeps only the last place where a word stands" says="comes four times"
def gradients(p, contexts, targets):
    N, n = contexts.shape
    x = p["C"][contexts].reshape(N, -1)
    a = np.tanh(p["d"] + x @ p["H"])
    dy = special.softmax(p["b"] + x @ p["W"] + a @ p["U"], axis=1)
    dy[np.arange(N), targets] -= 1
    dy /= N
    dz = dy @ p["U"].T * (1 - a**2)
    dx = dy @ p["W"].T + dz @ p["H"].T
    dC = np.zeros_like(p["C"])
    dC[contexts] += dx.reshape(N, n, -1)
    return {"C": dC, "W": x.T @ dy, "U": a.T @ dy, "H": x.T @ dz,
            "b": dy.sum(axis=0), "d": dz.sum(axis=0)}  # fmt: skip


# %% wrong="gradients" why="leaves it to torch's autograd, which is switched off" says="does not require grad"
def gradients(p, contexts, targets):
    t = {name: torch.tensor(a, requires_grad=True) for name, a in p.items()}
    x = F.embedding(torch.tensor(contexts), t["C"]).flatten(1)
    y = t["b"] + x @ t["W"] + torch.tanh(t["d"] + x @ t["H"]) @ t["U"]
    F.cross_entropy(y, torch.tensor(targets)).backward()
    return {name: a.grad.numpy() for name, a in t.items()}


# %% right="gradients" why="one example at a time, with outer products"
def gradients(p, contexts, targets):
    total = {name: np.zeros_like(a) for name, a in p.items()}
    m = p["C"].shape[1]
    for context, target in zip(contexts, targets, strict=True):
        x = np.concatenate([p["C"][w] for w in context])
        a = np.tanh(p["d"] + x @ p["H"])
        g = (
            special.softmax(p["b"] + x @ p["W"] + a @ p["U"])
            - np.eye(len(p["b"]))[target]
        )
        inner = (1 - a) * (1 + a) * (p["U"] @ g)
        down = p["W"] @ g + p["H"] @ inner
        parts = {"b": g, "W": np.outer(x, g), "U": np.outer(a, g),
                 "d": inner, "H": np.outer(x, inner)}  # fmt: skip
        for name, part in parts.items():
            total[name] += part / len(targets)
        for j, w in enumerate(context):
            total["C"][w] += down[j * m : (j + 1) * m] / len(targets)
    return total


# %% [markdown]
# ## Question 6 · Whom to trust, and when
# ★★★ · 30 minutes · 5 points
#
# Lecture 10 mixed the network with n-grams, with one weight for all tokens. But it also found that counts are better in familiar company and the
# network in new company. So let the weights depend on the company. Give each token a **bucket** $k$, known *before* the token is: for instance, how often training has seen the word before it. Then
#
# $$p(w) = \sum_j \pi_{k,j}\, p_j(w) \tag{7}$$
#
# with $j$ a model and weights of its own for each bucket, fitted on development text. A bucket that the development text does not hold takes the weights fitted on *all* of it. Return the mixture's $\log p$ of the
# test's tokens. (Why not the longest *n-gram* seen, as in the lecture? It holds the token itself. With a bucket that depends on the answer, (7) is no distribution.)
#
# `helpers.likelihood` has `mixture_weights` and `mix`.
#
# <details><summary>Hint 1</summary>
#
# Loop over the buckets of the test. Which rows of the development text belong to each? Which rows of the test?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The weights multiply probabilities, not logarithms; `mix` knows. And nothing may be fitted on the test.
#
# </details>


# %% answer="buckets"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    """Mix models with weights that depend on the token's bucket.

    Args:
        log_p: (n, M) floats, development text: log p of each token, a column a model.
        buckets: (n,) integers, of each token.
        test_log_p: (t, M) floats, the test.
        test_buckets: (t,) integers.

    Returns:
        (t,) floats, the mixture's log p of the test's tokens.

    Example: if in every bucket model 0 is always the better one, test_log_p[:, 0]
    """
    # BEGIN SOLUTION
    everywhere = mixture_weights(log_p)
    result = np.empty(len(test_log_p))
    for k in np.unique(test_buckets):
        own, here = buckets == k, test_buckets == k
        weights = mixture_weights(log_p[own]) if own.any() else everywhere
        result[here] = mix(test_log_p[here], weights)
    return result
    # END SOLUTION


# %%
def best_weight(log_p):
    """The weight of model 0 of two that makes a text likeliest, by a line search."""
    p = np.exp(log_p)
    found = minimize_scalar(
        lambda w: -np.log(w * p[:, 0] + (1 - w) * p[:, 1]).sum(),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return found.x


def searched_mixture(log_p, buckets, test_log_p, test_buckets):
    """The same for two models by line search, for the checks to compare with."""
    weight = {k: best_weight(log_p[buckets == k]) for k in set(buckets.tolist())}
    anywhere = best_weight(log_p)
    w = np.array([weight.get(k, anywhere) for k in test_buckets.tolist()])
    return np.log(w * np.exp(test_log_p[:, 0]) + (1 - w) * np.exp(test_log_p[:, 1]))


def two_models(seed, n, kinds):
    """Log-probabilities of two models; in high buckets the second is the better."""
    rng = np.random.default_rng(seed)
    buckets = rng.choice(kinds, size=n)
    better = rng.normal(size=n) + 0.8 * (buckets - 1.5)
    first = -rng.exponential(4, size=n) - 0.5
    return np.stack([first, np.minimum(first + better, -0.1)], axis=1), buckets


# %% check="buckets" points=1 tags=["rtol=1e-2"]
with check("Three buckets, all in both texts") as c:
    develop, test = two_models(61, 400, [0, 1, 3]), two_models(62, 40, [0, 1, 3])
    got, expected = bucketed_mixture(*develop, *test), searched_mixture(*develop, *test)
    c.close("log p", got, expected, atol=5e-3, rtol=1e-3, digits=3,
            hint="Has each bucket weights of its own, fitted on the development text?")  # fmt: skip
    c.show("the mean of log p, times 100", 100 * np.mean(np.asarray(got)), digits=5)

# %% check="buckets" part="new" points=1 tags=["rtol=1e-2"]
with check("A bucket that the development text does not hold") as c:
    develop, test = two_models(63, 400, [0, 1, 3]), two_models(64, 40, [1, 2, 3])
    got, expected = bucketed_mixture(*develop, *test), searched_mixture(*develop, *test)
    c.close("log p", got, expected, atol=5e-3, rtol=1e-3, digits=3,
            hint="Which weights does a new bucket take?")  # fmt: skip
    c.show("the mean of log p, times 100", 100 * np.mean(np.asarray(got)), digits=5)

# %% [markdown]
# Now in earnest. A network and a modified Kneser–Ney 5-gram read the first 200,000 tokens of WikiText-2. The bucket tells how often these tokens hold the word before: up to twice, up to 14 times, up to 62 times, and so on. Unlike the windows of question 1, the network and the word before reach over the ends of lines, which `eos` marks.

# %%
vocabulary, streams = load_wikitext2_streams()
V, eos = len(vocabulary), vocabulary["<eos>"]


def beginning(stream, tokens):
    """The first whole lines of a text, about so many tokens."""
    stop = np.searchsorted(stream.starts, tokens) + 1
    return stream.ids[: stream.starts[stop - 1]], stream.starts[:stop]


ids, starts = beginning(streams["train"], 200_000)
counter = modified_kneser_ney(count_ngrams(ids, 5, V, starts))
counts = np.bincount(ids, minlength=V)
model = FeedForwardLanguageModel(V, 32, 64, 4)
model.bias.data[:, 0] = torch.tensor(np.log((counts + 0.5) / counts.sum()))
optimizer = Adagrad(model.parameters(), lr=0.1)
shuffle, objective = torch.Generator().manual_seed(0), Objective(counts, 256, seed=0)
with torch.enable_grad():
    for loss in feedforward_losses(model, ids, objective, start=eos, generator=shuffle):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def scored(stream):
    """Log-probabilities by network and by counts, (n, 2), and buckets (n,)."""
    ids, starts = beginning(stream, 6_000)
    network = feedforward_log_probabilities(model, ids, start=eos)
    log_p = np.stack([network, counter.log_probabilities(ids, starts)], axis=1)
    before = np.r_[eos, ids[:-1]]
    return log_p, (np.log2(1 + counts[before]) / 2).astype(int)


wiki_valid, wiki_test = scored(streams["valid"]), scored(streams["test"])

# %% check="buckets" part="text" points=2 tags=["rtol=3e-2"]
with check("Network and 5-gram on WikiText-2") as c:
    got = bucketed_mixture(*wiki_valid, *wiki_test)
    one_weight = mix(wiki_test[0], mixture_weights(wiki_valid[0]))
    c.close("log p", got, searched_mixture(*wiki_valid, *wiki_test), atol=5e-3, rtol=1e-3,
            digits=3, hint="Compare with the first two checks.")  # fmt: skip
    c.show("perplexity, buckets", perplexity(got), digits=5)
    c.true("better than one weight for all", perplexity(got) < perplexity(one_weight),
           perplexity(one_weight) / perplexity(got), digits=5,
           hint="Which rows of the test belong to a bucket?")  # fmt: skip


# %% check="buckets" part="hidden" points=1 tags=["rtol=1e-2"]
# BEGIN HIDDEN TESTS
def three_models(seed, n, kinds):
    rng = np.random.default_rng(seed)
    buckets = rng.choice(kinds, size=n)
    log_p = -rng.exponential(4, size=(n, 3)) - 0.5
    log_p[np.arange(n), buckets % 3] /= 2
    return log_p, buckets


def best_weights(log_p):
    def loss(v):
        return -special.logsumexp(log_p + special.log_softmax(v), axis=1).mean()

    return special.softmax(minimize(loss, np.zeros(3), tol=1e-9).x)


with check("Three models; seven buckets, two of them new, one with three tokens") as c:
    develop, buckets = three_models(65, 600, [0, 2, 3, 4])
    develop[:3], buckets[:3] = [[-3, -1, -4], [-1, -5, -4], [-2, -3, -1]], 5
    test, test_buckets = three_models(66, 80, range(7))
    for name, order in {"log p": [0, 1, 2], "models swapped": [2, 1, 0]}.items():
        fit_on = develop[:, order]
        got = bucketed_mixture(fit_on, buckets, test, test_buckets)
        own = {k: best_weights(fit_on[buckets == k]) for k in set(buckets.tolist())}
        weights = [own.get(k, best_weights(fit_on)) for k in test_buckets.tolist()]
        expected = special.logsumexp(test, axis=1, b=weights)
        c.close(name, got, expected, atol=5e-3, rtol=1e-3, digits=3,
                hint="How many models are there? How many tokens has each bucket?")  # fmt: skip
        c.show("the mean, times 100", 100 * np.mean(np.asarray(got)), digits=5)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# On WikiText-2 the network's weight falls from about ¾ after the rarest words to under ⅓ after frequent ones: its strength is new company. Still the perplexity gains
# less than 1 %. Where both models are about equally good, the weight hardly matters.
#
# Each bucket is a mixture problem of its own, and concave, so EM finds the best weight. The buckets must be known before the token: then (7) sums to 1 over all words. They must be few: every
# weight is fitted, and a bucket of ten tokens would learn those ten. This is Jelinek & Mercer's old idea (1980); a network that decides for itself, at each token, when to point back at a word of the text came 36 years later ([Merity et al. 2016](https://arxiv.org/abs/1609.07843)).


# %% wrong="buckets" why="one weight for all" says="weights of its own"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    return mix(test_log_p, mixture_weights(log_p))


# %% wrong="buckets" why="fits the weights on the test" says="fitted on the development text"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    result = np.empty(len(test_log_p))
    for k in np.unique(test_buckets):
        here = test_buckets == k
        result[here] = mix(test_log_p[here], mixture_weights(test_log_p[here]))
    return result


# %% wrong="buckets" why="weighs logarithms instead of probabilities" says="values differ"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    result = np.empty(len(test_log_p))
    for k in np.unique(test_buckets):
        own, here = buckets == k, test_buckets == k
        weights = mixture_weights(log_p[own] if own.any() else log_p)
        result[here] = test_log_p[here] @ weights
    return result


# %% wrong="buckets" why="gives a new bucket equal weights" says="Which weights does a new bucket take"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    result = np.empty(len(test_log_p))
    for k in np.unique(test_buckets):
        own, here = buckets == k, test_buckets == k
        weights = mixture_weights(log_p[own]) if own.any() else [0.5, 0.5]
        result[here] = mix(test_log_p[here], weights)
    return result


# %% wrong="buckets" why="counts on two models" says="How many models"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    result = np.empty(len(test_log_p))
    for k in np.unique(test_buckets):
        own, here = buckets == k, test_buckets == k
        w = mixture_weights(log_p[own] if own.any() else log_p)[0]
        p = np.exp(test_log_p[here])
        result[here] = np.log(w * p[:, 0] + (1 - w) * p[:, 1])
    return result


# %% right="buckets" why="EM for all buckets at once, a table of weights"
def bucketed_mixture(log_p, buckets, test_log_p, test_buckets):
    last = max(buckets.max(), test_buckets.max())
    table = np.tile(mixture_weights(log_p), (last + 1, 1))
    for k in set(buckets.tolist()):
        w = np.full(log_p.shape[1], 1 / log_p.shape[1])
        for _ in range(2000):
            shares = special.softmax(log_p[buckets == k] + np.log(w + 1e-300), axis=1)
            w = shares.mean(axis=0)
        table[k] = w
    return special.logsumexp(test_log_p, axis=1, b=table[test_buckets])


# %% [markdown]
# **Defend it** (no points, five lines). The bucketed mixture gained something over one weight for all. Is it worth a table of weights? Say which other
# buckets you would try, what each must not depend on, and how you would know that a gain is more than luck.
