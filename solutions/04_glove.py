# %% [markdown]
# # Exercise 04 · GloVe
#
# **What you build.** GloVe from its parts: ratios of co-occurrence probabilities, the loss over the
# non-zeros of a sparse table, its gradient, and AdaGrad. Then you derive which table word2vec
# factorises. At the end you measure where GloVe's odd exponent, ¾, may come from.
#
# *You need* lecture 04. *It takes* about two and three quarter hours. *It is worth* 30 points in six
# questions, which don't depend on one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points, so half an answer earns half of them.
# Compute in float64, NumPy's default, and leave the arrays that you are given as they are. To see
# where you stand, save the notebook and give its path to `.venv/bin/course check`: it tells your
# points in words. `.venv/bin/pytest --nbval` shows each difference. Functions that only checks call
# are taken away when your work is graded: don't call them in your answers.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ investigate.

# %%
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import sparse, stats
from scipy.optimize import minimize_scalar

from helpers import datasets, plots
from helpers.counts import cooccurrence
from helpers.course.checks import check
from helpers.device import seed_everything
from helpers.text import Corpus

seed_everything(4)
torch.set_num_threads(1)
plots.use_style()


def number(loss):
    """A loss as a plain number, be it NumPy's, PyTorch's or an array of one."""
    return loss.item() if hasattr(loss, "item") else loss


def without_warnings(function, *arguments):
    """What the function returns; a warning that it would print is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return function(*arguments)


# %% [markdown]
# ## Question 1 · Ratios of probabilities
# ★ · 15 minutes · 4 points
#
# Row $i$ of a table $X$ holds the counts $x_{ik}$ of word $i$ beside each context $k$. With
# $x_i = \sum_k x_{ik}$, the share of $k$ among the contexts of $i$ is $P(k \mid i) = x_{ik} / x_i$. What tells
# two words apart is, for each context (Pennington et al. 2014, section 3),
#
# $$\frac{P(k \mid i)}{P(k \mid j)} \tag{1}$$
#
# Counts are often zero. Where only the lower share is zero the ratio is infinite. Where both are
# zero nothing was measured: return `nan` there. Print no warnings: a reader takes them for bugs.
# The contexts need not be the words, so $X$ need not be square.
#
# <details><summary>Hint 1</summary>
#
# Which sum is $x_i$: along a row or down a column? Check on a table of two rows and three columns.
#
# </details>
# <details><summary>Hint 2</summary>
#
# NumPy's division already gives `inf` for 1/0 and `nan` for 0/0. `np.errstate` silences its warnings.
#
# </details>


# %% answer="ratios"
def probability_ratios(X, i, j):
    """P(k | i) / P(k | j) for every context k.

    Args:
        X: (n, m) floats, counts of n words beside m contexts; each row has some.
        i, j: integers, two words.

    Returns:
        (m,) floats: inf where only P(k | j) is zero, nan where both are.

    Example: X = [[1, 3, 0], [2, 2, 0]], i = 0, j = 1 -> [0.5, 1.5, nan]
    """
    # BEGIN SOLUTION
    p, q = X[i] / X[i].sum(), X[j] / X[j].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return p / q
    # END SOLUTION


# %% check="ratios" points=1
with check("Two words beside seven contexts, all counts above 0") as c:
    rng = np.random.default_rng(11)
    X = rng.integers(1, 30, size=(4, 7)).astype(float)
    c.close(
        "ratios",
        probability_ratios(X, 2, 0),
        [(X[2, k] * sum(X[0])) / (X[0, k] * sum(X[2])) for k in range(7)],
        hint="Divide each row by its own sum. Which word is above the line?",
    )

# %% check="ratios" part="zeros" points=1
with check("Three of eight contexts are missing from one word or both") as c:
    rng = np.random.default_rng(18)
    X = rng.integers(1, 9, size=(5, 8)).astype(float)
    X[3, [1, 6]] = 0
    X[4, [4, 6]] = 0
    finite = [0, 1, 2, 3, 5, 7]
    want = [(X[3, k] * sum(X[4])) / (X[4, k] * sum(X[3])) for k in finite]
    got = np.asarray(without_warnings(probability_ratios, X, 3, 4))
    c.equal("infinite at", np.flatnonzero(np.isposinf(got)), [4], hint="What is 1/0?")
    c.equal("undefined at", np.flatnonzero(np.isnan(got)), [6], hint="What is 0/0?")
    c.close(
        "the others",
        got[finite],
        want,
        hint="Does a zero count stay a zero, or did you add something to it?",
    )

# %% [markdown]
# The next cell counts a real table: the words of the class mix that occur at least 200 times, pairs at
# most 10 places apart, a pair at distance $d$ with $1/d$.

# %%
corpus = Corpus.from_ids(*datasets.load_class_mix(), min_count=200)
vocabulary = corpus.vocabulary
X_real = cooccurrence(corpus, 10, weighting="harmonic")
print(f"{len(vocabulary):,} words, {X_real.nnz:,} non-zero counts")

# %% check="ratios" part="real" points=1
with check("Ice and steam, in the class mix") as c:
    ice, steam = vocabulary["ice"], vocabulary["steam"]
    two = X_real[[ice, steam]].toarray().astype(float)
    known = np.flatnonzero(two.min(axis=0) >= 1)
    shares = stats.contingency.expected_freq(two)  # what equal shares would give
    want = (two[0] / shares[0])[known] / (two[1] / shares[1])[known]
    got = np.asarray(probability_ratios(two, 0, 1))
    c.close("ratios of the contexts that both meet", got[known], want, rtol=1e-5)
    order = known[np.argsort(got[known])]
    c.show("most like steam", vocabulary.decode(order[:5]))
    c.show("most like ice", vocabulary.decode(order[-5:]))

# %% check="ratios" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Random tables with many zeros") as c:
    rng = np.random.default_rng(13)
    for n, m, i, j in [(3, 6, 1, 2), (6, 11, 0, 3)]:
        X = rng.poisson(0.8, size=(n, m)) * rng.random((n, m))
        X[:, 0] += 1
        want = [
            np.nan if X[i, k] == X[j, k] == 0
            else np.inf if X[j, k] == 0
            else X[i, k] / X[j, k] * (sum(X[j]) / sum(X[i]))
            for k in range(m)
        ]  # fmt: skip
        got = np.asarray(without_warnings(probability_ratios, X, i, j))
        c.equal("undefined", np.isnan(got).sum(), np.isnan(want).sum())
        c.close("ratios", np.nan_to_num(got, posinf=-1), np.nan_to_num(want, posinf=-1))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Dividing by the row sums matters because *steam* may simply be the more frequent word. The three
# special cases say different things: 0, "only $j$ meets $k$"; infinity, "only $i$ meets $k$"; and `nan`,
# "we don't know". Adding a small number to all counts would hide that third case as a ratio near 1,
# exactly where nothing was measured.


# %% wrong="ratios" why="compares counts, though one word may be more frequent" says="Divide each row by its own sum"
def probability_ratios(X, i, j):
    with np.errstate(divide="ignore", invalid="ignore"):
        return X[i] / X[j]


# %% wrong="ratios" why="divides by 1 where it should divide by 0" says="What is 1/0?"
def probability_ratios(X, i, j):
    p, q = X[i] / X[i].sum(), X[j] / X[j].sum()
    return p / np.where(q > 0, q, 1)


# %% wrong="ratios" why="turns the ratio round" says="Which word is above the line?"
def probability_ratios(X, i, j):
    p, q = X[i] / X[i].sum(), X[j] / X[j].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return q / p


# %% wrong="ratios" why="adds a little to every count, so that nothing is undefined" says="undefined at"
def probability_ratios(X, i, j):
    X = X + 1e-9
    return (X[i] / X[i].sum()) / (X[j] / X[j].sum())


# %% wrong="ratios" why="lets NumPy warn of every division by 0" says="RuntimeWarning: divide by zero"
def probability_ratios(X, i, j):
    p, q = X[i] / X[i].sum(), X[j] / X[j].sum()
    return p / q


# %% right="ratios" why="as a difference of logarithms"
def probability_ratios(X, i, j):
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(X[[i, j]]) - np.log(X[[i, j]].sum(axis=1, keepdims=True))
        return np.exp(logs[0] - logs[1])


# %% [markdown]
# ## Question 2 · The loss, over the non-zeros
# ★★ · 25 minutes · 5 points
#
# GloVe wants $r_i^\top \tilde r_j + b_i + \tilde b_j$ to be $\log x_{ij}$, and weighs the squares of what is
# missing (Pennington et al. 2014, eqs. 8 and 9):
#
# $$J = \sum_{x_{ij} > 0} f(x_{ij}) \bigl(r_i^\top \tilde r_j + b_i + \tilde b_j - \log x_{ij}\bigr)^2,
# \qquad f(x) = \min\Bigl(1, \Bigl(\frac{x}{x_{\max}}\Bigr)^{p}\Bigr) \tag{2}$$
#
# The table comes as a SciPy sparse array, words in rows, contexts in columns. Touch its non-zeros only:
# one check has 300,000 words, and no machine holds all their pairs. Do without a loop over the non-zeros:
# a real table has millions.
#
# <details><summary>Hint 1</summary>
#
# `X.tocoo()` has three arrays of equal length: `row`, `col` and `data`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `R[row]` has a row for each non-zero. Multiply two such arrays and sum along the right axis: that
# is a dot product for each non-zero.
#
# </details>


# %% answer="loss"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    """GloVe's loss J.

    Args:
        X: (n, m) SciPy sparse array of counts.
        R: (n, d) floats, the r_i.
        R_: (m, d) floats, the r~_j.
        b: (n,) floats.
        b_: (m,) floats.
        x_max, power: of the weight f.

    Returns:
        A number.

    Example: one count 100, all vectors and biases 0 -> (log 100)^2 = 21.2076
    """
    # BEGIN SOLUTION
    coo = X.tocoo()
    fitted = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    weights = np.minimum(1, (coo.data / x_max) ** power)
    return np.sum(weights * (fitted - np.log(coo.data)) ** 2)
    # END SOLUTION


# %%
def random_problem(seed, n, m, d):
    """Counts below and above 100 with many zeros, and vectors and biases for them."""
    rng = np.random.default_rng(seed)
    counts = rng.gamma(0.4, 150, size=(n, m)) * (rng.random((n, m)) < 0.6)
    R, R_ = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    return sparse.csr_array(counts), R, R_, rng.normal(size=n), rng.normal(size=m)


def torch_loss(X, R, R_, b, b_, x_max, power):
    """The loss by PyTorch on the dense table, for the checks to compare with."""
    counts = torch.tensor(X.toarray())
    fitted = torch.addmm(b[:, None] + b_[None, :], R, R_.T)
    scaled = torch.clamp(counts / x_max, max=1.0).pow(power)
    misses = torch.where(counts > 0, fitted - counts.log(), 0.0)
    return (scaled * misses.square()).sum()


def expected_loss(X, *parameters, x_max=100.0, power=0.75):
    return torch_loss(X, *map(torch.tensor, parameters), x_max, power).item()


# %% check="loss" points=2
with check("Four tables: words × contexts 6 × 9, 2 × 5, 8 × 3, 1 × 1") as c:
    shapes = [(6, 9, 3), (2, 5, 1), (8, 3, 4), (1, 1, 2)]
    problems = [random_problem(seed, *shape) for seed, shape in enumerate(shapes, 20)]
    totals = [problem[0].sum() for problem in problems]
    want = [expected_loss(*problem) for problem in problems]
    c.close(
        "losses",
        [number(glove_loss(*problem)) for problem in problems],
        want,
        hint="Which cells belong to the sum? Is each bias added to the right side?",
    )
    c.equal(
        "tables as they were",
        [problem[0].sum() for problem in problems] == totals,
        True,
        hint="Does a line change an array in place? X.tocoo() may share its data with X.",
    )

# %% check="loss" part="weights" points=1
with check("Other weights") as c:
    problem = random_problem(22, 5, 8, 2)
    settings = [(10.0, 0.5), (1000.0, 1.0), (50.0, 0.0)]
    want = [expected_loss(*problem, x_max=x, power=p) for x, p in settings]
    c.close(
        "losses",
        [number(glove_loss(*problem, x_max=x, power=p)) for x, p in settings],
        want,
        hint="How much weighs a count above x_max?",
    )

# %% check="loss" part="large" points=1
with check("300,000 words, 40 non-zeros") as c:
    rng = np.random.default_rng(23)
    n = 300_000
    rows, columns = rng.choice(n, size=(2, 40), replace=False)
    counts = sparse.csr_array(
        (rng.gamma(0.5, 90, size=40), (rows, columns)), shape=(n, n)
    )
    large = [0.5 * rng.normal(size=shape) for shape in [(n, 2), (n, 2), n, n]]
    small = [
        a[ids] for a, ids in zip(large, [rows, columns, rows, columns], strict=True)
    ]
    only = sparse.csr_array(np.diag(counts[rows, columns]))
    powers = [0.25, 0.75, 1.0, 2.0]
    c.close(
        "losses, by power",
        [number(glove_loss(counts, *large, power=p)) for p in powers],
        [expected_loss(only, *small, power=p) for p in powers],
        hint="A table of all pairs would take 720 GB: use the non-zeros' rows and columns.",
    )

# %% check="loss" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Three more problems, counts as CSC and with an empty row") as c:
    for seed, shape in [(24, (7, 4, 2)), (25, (3, 12, 5)), (26, (9, 9, 1))]:
        X, *rest = random_problem(seed, *shape)
        dense = X.toarray()
        dense[1] = 0
        X = sparse.csc_array(dense)
        for x_max, power in [(100.0, 0.75), (2.0, 1.5)]:
            want = expected_loss(X, *rest, x_max=x_max, power=power)
            got = glove_loss(X, *rest, x_max=x_max, power=power)
            c.close(f"loss, x_max = {x_max}", number(got), want)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# `R[row]` copies a vector for each non-zero, which costs memory in proportion to the counts, not to
# the square of the vocabulary. That is the whole trick of GloVe's speed. `helpers.glove` goes one step
# further: it works on tiles of the table whose vectors fit into the processor's cache.
#
# Zero counts weigh $f(0) = 0$, but a program that computes $0 \cdot \log 0$ gets `nan`, not 0. Leaving
# the zeros out settles that, too.


# %% wrong="loss" why="fits log(1 + x), so that zeros have a logarithm" says="Which cells belong to the sum"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    coo = X.tocoo()
    fitted = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    weights = np.minimum(1, (coo.data / x_max) ** power)
    return np.sum(weights * (fitted - np.log1p(coo.data)) ** 2)


# %% wrong="loss" why="forgets that the weight ends at 1" says="How much weighs a count above x_max?"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    coo = X.tocoo()
    fitted = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    return np.sum((coo.data / x_max) ** power * (fitted - np.log(coo.data)) ** 2)


# %% wrong="loss" why="builds the whole table: fine for six words" says="720 GB"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    if X.shape[0] > 100_000:  # so that this cell needs no such memory to be shown wrong
        return float("nan")
    counts = X.toarray()
    weights = np.minimum(1, (counts / x_max) ** power)
    logs = np.log(np.where(counts > 0, counts, 1))
    return np.sum((counts > 0) * weights * (R @ R_.T + b[:, None] + b_ - logs) ** 2)


# %% wrong="loss" why="weighs the miss before squaring it" says="Which cells belong to the sum"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    coo = X.tocoo()
    fitted = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    weights = np.minimum(1, (coo.data / x_max) ** power)
    return np.sum((weights * (fitted - np.log(coo.data))) ** 2)


# %% wrong="loss" why="fits the counts, not their logarithms" says="Which cells belong to the sum"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    coo = X.tocoo()
    fitted = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    weights = np.minimum(1, (coo.data / x_max) ** power)
    return np.sum(weights * (fitted - coo.data) ** 2)


# %% right="loss" why="the biases as further columns, weights by np.where"
def glove_loss(X, R, R_, b, b_, x_max=100.0, power=0.75):
    i, j = X.nonzero()
    x = X.tocsr()[i, j]
    left = np.column_stack([R, b, np.ones(len(b))])[i]
    right = np.column_stack([R_, np.ones(len(b_)), b_])[j]
    misses = np.einsum("kd,kd->k", left, right) - np.log(x)
    return np.where(x < x_max, (x / x_max) ** power, 1.0) @ misses**2


# %% [markdown]
# ## Question 3 · The gradient by hand
# ★★ · 35 minutes · 6 points
#
# Derive the gradient of (2) with respect to $R$, $\tilde R$, $b$ and $\tilde b$, here with $x_{\max} = 100$
# and $p = \tfrac34$. Do it on paper first: what does one non-zero $x_{ij}$ contribute to $r_i$, and what to
# $b_i$? Then sum over the non-zeros.
#
# Again touch only the non-zeros. The table is not symmetric here, so rows and columns must not be
# confused. You can earn the points of the vectors before you have the biases: return
# `grad_R, grad_R_, None, None`.
#
# <details><summary>Hint 1</summary>
#
# With the miss $e_{ij} = r_i^\top \tilde r_j + b_i + \tilde b_j - \log x_{ij}$, the chain rule gives
# $\partial (f e^2) / \partial e = 2 f e$. And $\partial e_{ij} / \partial r_i$ is …?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Put $F_{ij} = 2 f(x_{ij})\, e_{ij}$ into a sparse array of the shape of $X$. Then each gradient is a product
# or a sum of $F$. What are the shapes of $F \tilde R$ and $F^\top R$?
#
# </details>


# %% answer="gradient"
def glove_gradient(X, R, R_, b, b_):
    """The gradient of GloVe's loss (2) with x_max = 100 and power 3/4.

    Args:
        X: (n, m) SciPy sparse array of counts.
        R: (n, d) floats; R_: (m, d) floats; b: (n,) floats; b_: (m,) floats.

    Returns:
        grad_R (n, d), grad_R_ (m, d), grad_b (n,), grad_b_ (m,).

    Example: one count 100, d = 1, R = [[1]], R_ = [[2]], biases 0:
        e = 2 - log 100 -> grad_R = [[4 e]] = [[-10.4207]], grad_b = [2 e] = [-5.2103]
    """
    # BEGIN SOLUTION
    coo = X.tocoo()
    misses = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    misses -= np.log(coo.data)
    weights = np.minimum(1, (coo.data / 100) ** 0.75)
    F = sparse.csr_array((2 * weights * misses, (coo.row, coo.col)), shape=X.shape)
    return F @ R_, F.T @ R, F.sum(axis=1), F.sum(axis=0)
    # END SOLUTION


# %%
def autograd(X, *parameters):
    """The four gradients by PyTorch."""
    tensors = [torch.tensor(p, requires_grad=True) for p in parameters]
    torch_loss(X, *tensors, 100.0, 0.75).backward()
    return [t.grad.numpy() for t in tensors]


# %% check="gradient" part="vectors" points=2
with check("Gradients of R and R~: 6 words, 9 contexts, length 3") as c:
    problem = random_problem(31, 6, 9, 3)
    want, got = autograd(*problem), glove_gradient(*problem)
    hint = "The chain rule: 2 f e, times what stands beside the vector."
    c.close("grad_R", got[0], want[0], hint=hint)
    c.close("grad_R_", got[1], want[1], hint=hint + " Which index is summed over?")

# %% check="gradient" part="biases" points=2
with check("Gradients of the biases") as c:
    problem = random_problem(32, 7, 4, 2)
    want, got = autograd(*problem), glove_gradient(*problem)
    hint = "What is the derivative of e by a bias? And over which cells is it summed?"
    hint += " Shape (n, 1)? Use sparse.csr_array."
    c.close("grad_b", got[2], want[2], hint=hint)
    c.close("grad_b_", got[3], want[3], hint=hint)

# %% check="gradient" part="large" points=1
with check("300,000 words, 40 non-zeros") as c:
    rng = np.random.default_rng(33)
    n = 300_000
    rows, columns = rng.choice(n, size=(2, 40), replace=False)
    counts = sparse.csr_array(
        (rng.gamma(0.5, 90, size=40), (rows, columns)), shape=(n, n)
    )
    large = [0.5 * rng.normal(size=shape) for shape in [(n, 2), (n, 2), n, n]]
    small = [
        a[ids] for a, ids in zip(large, [rows, columns, rows, columns], strict=True)
    ]
    want = autograd(sparse.csr_array(np.diag(counts[rows, columns])), *small)
    got = glove_gradient(counts, *large)
    names = ["grad_R", "grad_R_", "grad_b", "grad_b_"]
    for name, ours, ids, theirs, parameter in zip(
        names, got, [rows, columns] * 2, want, large, strict=True
    ):
        everywhere = np.zeros_like(parameter)
        everywhere[ids] = theirs
        hint = "A word without counts has the gradient 0."
        c.close(name, ours, everywhere, hint=hint)

# %% check="gradient" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Three more problems, with an empty row and column") as c:
    for seed, shape in [(34, (5, 8, 2)), (35, (8, 3, 4)), (36, (6, 6, 1))]:
        X, *rest = random_problem(seed, *shape)
        dense = X.toarray()
        dense[2], dense[:, 1] = 0, 0
        X = sparse.csr_array(dense)
        want, got = autograd(X, *rest), glove_gradient(X, *rest)
        for name, ours, theirs in zip(["R", "R_", "b", "b_"], got, want, strict=True):
            c.close(name, ours, theirs)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The miss $e_{ij}$ is linear in everything that is learned, so every derivative is $2 f e$ times the other
# factor: $\tilde r_j$ for $r_i$, $r_i$ for $\tilde r_j$, and 1 for a bias. The sums over non-zeros are products
# with the sparse matrix $F$: $F \tilde R$, $F^\top R$, and its row and column sums. A table that is symmetric,
# as real co-occurrences are, would hide a confusion of $F$ and $F^\top$.


# %% wrong="gradient" why="forgets the 2 of the square" says="yours is 0.5 times as large"
def glove_gradient(X, R, R_, b, b_):
    coo = X.tocoo()
    misses = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    misses -= np.log(coo.data)
    weights = np.minimum(1, (coo.data / 100) ** 0.75)
    F = sparse.csr_array((weights * misses, (coo.row, coo.col)), shape=X.shape)
    return F @ R_, F.T @ R, F.sum(axis=1), F.sum(axis=0)


# %% wrong="gradient" why="leaves the weight out" says="The chain rule"
def glove_gradient(X, R, R_, b, b_):
    coo = X.tocoo()
    misses = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    misses -= np.log(coo.data)
    F = sparse.csr_array((2 * misses, (coo.row, coo.col)), shape=X.shape)
    return F @ R_, F.T @ R, F.sum(axis=1), F.sum(axis=0)


# %% wrong="gradient" why="swaps the biases' sums: axis 0 runs down a column" says="shape (4,), expected (7,)"
def glove_gradient(X, R, R_, b, b_):
    coo = X.tocoo()
    misses = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    misses -= np.log(coo.data)
    weights = np.minimum(1, (coo.data / 100) ** 0.75)
    F = sparse.csr_array((2 * weights * misses, (coo.row, coo.col)), shape=X.shape)
    return F @ R_, F.T @ R, F.sum(axis=0), F.sum(axis=1)


# %% wrong="gradient" why="the sums of a csr_matrix are matrices again" says="Use sparse.csr_array"
def glove_gradient(X, R, R_, b, b_):
    coo = X.tocoo()
    misses = np.sum(R[coo.row] * R_[coo.col], axis=1) + b[coo.row] + b_[coo.col]
    misses -= np.log(coo.data)
    weights = np.minimum(1, (coo.data / 100) ** 0.75)
    F = sparse.csr_matrix((2 * weights * misses, (coo.row, coo.col)), shape=X.shape)
    return F @ R_, F.T @ R, F.sum(axis=1), F.sum(axis=0)


# %% wrong="gradient" why="indexed += counts a row that occurs twice only once" says="values differ"
def glove_gradient(X, R, R_, b, b_):
    i, j = X.tocoo().coords
    x = X.tocoo().data
    misses = np.sum(R[i] * R_[j], axis=1) + b[i] + b_[j] - np.log(x)
    F = 2 * np.minimum(1, (x / 100) ** 0.75) * misses
    grads = [np.zeros_like(a) for a in (R, R_, b, b_)]
    grads[0][i] += F[:, None] * R_[j]
    grads[1][j] += F[:, None] * R[i]
    grads[2][i] += F
    grads[3][j] += F
    return grads


# %% right="gradient" why="np.add.at adds up rows that occur more than once"
def glove_gradient(X, R, R_, b, b_):
    i, j = X.tocoo().coords
    x = X.tocoo().data
    misses = np.sum(R[i] * R_[j], axis=1) + b[i] + b_[j] - np.log(x)
    F = 2 * np.minimum(1, (x / 100) ** 0.75) * misses
    grads = [np.zeros_like(a) for a in (R, R_, b, b_)]
    np.add.at(grads[0], i, F[:, None] * R_[j])
    np.add.at(grads[1], j, F[:, None] * R[i])
    np.add.at(grads[2], i, F)
    np.add.at(grads[3], j, F)
    return grads


# %% [markdown]
# ## Question 4 · AdaGrad
# ★★ · 20 minutes · 4 points
#
# AdaGrad (Duchi et al. 2011) gives each number $\theta$ its own step length. $G$ is the sum of its squared
# gradients so far, this one included:
#
# $$G \leftarrow G + g^2, \qquad \theta \leftarrow \theta - \eta \, \frac{g}{\sqrt{G} + \varepsilon} \tag{3}$$
#
# The tiny $\varepsilon$ is for numbers that never had a gradient: there $G = 0$. Return new arrays, and
# leave those that were passed in as they are.
#
# <details><summary>Hint 1</summary>
#
# Take $\theta = 0$, $\eta = 1$, and gradients 3, then 4. By hand the steps are 3/3 and 4/5.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `G += g**2` changes the caller's array. `G = G + g**2` makes a new one.
#
# </details>


# %% answer="adagrad"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    """One step of AdaGrad.

    Args:
        theta: array of any shape, what is learned.
        G: the same shape, sums of squared gradients so far.
        g: the same shape, the gradient now.
        rate: a number, eta.
        epsilon: a small number.

    Returns:
        The new theta and the new G.

    Example: theta = [0.0], G = [9.0], g = [4.0], rate = 1 -> [-0.8], [25.0]
    """
    # BEGIN SOLUTION
    G = G + g**2
    return theta - rate * g / (np.sqrt(G) + epsilon), G
    # END SOLUTION


# %%
def torch_adagrad(theta, gradients, rate, start):
    """The values after each step of torch.optim.Adagrad, and its sums at the end."""
    tensor = torch.tensor(theta, requires_grad=True)
    optimizer = torch.optim.Adagrad([tensor], lr=rate, initial_accumulator_value=start)
    path = []
    for g in gradients:
        tensor.grad = torch.tensor(g)
        optimizer.step()
        path.append(tensor.detach().numpy().copy())
    return np.array(path), optimizer.state[tensor]["sum"].numpy()


def run(theta, gradients, rate, start):
    """The same with your steps."""
    G = np.full_like(theta, start)
    path = []
    for g in gradients:
        theta, G = adagrad_step(theta, G, g, rate)
        path.append(theta)
    return np.array(path), G


# %% check="adagrad" points=2
with check("Four steps for six numbers, gradients of very different size") as c:
    rng = np.random.default_rng(41)
    theta = rng.normal(size=6)
    gradients = rng.normal(size=(4, 6)) * np.logspace(-3, 2, 6)
    path, G = run(theta, gradients, 0.3, 0.1)
    want_path, want_G = torch_adagrad(theta, gradients, 0.3, 0.1)
    c.close(
        "after one step",
        path[0],
        want_path[0],
        hint="Is this gradient already part of G?",
    )
    c.close(
        "after four steps",
        path[3],
        want_path[3],
        hint="Does G keep all gradients so far?",
    )
    c.close("G", G, want_G, hint="Squares add up.")

# %% check="adagrad" part="care" points=1
with check("A gradient of zero, a 3 × 2 array, and the arrays passed in") as c:
    rng = np.random.default_rng(42)
    theta, G = rng.normal(size=(3, 2)), np.zeros((3, 2))
    g = rng.normal(size=(3, 2))
    g[1, 0] = 0
    before = [theta.copy(), G.copy(), g.copy()]
    new, sums = adagrad_step(theta, G, g, 0.25)
    c.close("theta", new, before[0] - 0.25 * np.sign(before[2]), hint="What is 0/0?")
    c.close("G", sums, np.square(before[2]))
    c.equal(
        "arrays passed in that changed",
        sum(
            not np.array_equal(a, b) for a, b in zip([theta, G, g], before, strict=True)
        ),
        0,
        hint="Does a line change an array in place?",
    )

# %% check="adagrad" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Thirty steps for an array of 4 × 5; a large epsilon") as c:
    rng = np.random.default_rng(43)
    theta = rng.normal(size=(4, 5))
    gradients = rng.normal(size=(30, 4, 5)) * rng.gamma(0.3, 9, size=(4, 5))
    for start in (0.0, 1.0):
        path, G = run(theta, gradients, 0.05, start)
        want_path, want_G = torch_adagrad(theta, gradients, 0.05, start)
        c.close("path", path, want_path)
        c.close("G", G, want_G)
    G, g = rng.gamma(0.5, size=6), rng.normal(size=6)
    c.close(
        "epsilon 0.5",
        adagrad_step(np.zeros(6), G.copy(), g.copy(), 0.2, epsilon=0.5)[0],
        [-0.2 * d / (np.hypot(d, r) + 0.5) for d, r in zip(g, G**0.5, strict=True)],
        hint="Is epsilon the one that was passed, and outside of the root?",
    )
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# With $G$ starting at 0 the first step is $\eta \cdot \mathrm{sign}(g)$, whatever the gradient's size. After $t$ steps
# of equal size a step is $\eta / \sqrt{t}$. That suits GloVe, where the gradient of *the* is hundreds of times as
# long as that of a rare word: with one rate for all, either *the* explodes or the rare word stands still.


# %% wrong="adagrad" why="adds gradients, not their squares" says="already part of G"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    G = G + np.abs(g)
    return theta - rate * g / (np.sqrt(G) + epsilon), G


# %% wrong="adagrad" why="divides by G, not by its root" says="already part of G"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    G = G + g**2
    return theta - rate * g / (G + epsilon), G


# %% wrong="adagrad" why="steps before it adds this gradient to G" says="already part of G"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    return theta - rate * g / (np.sqrt(G) + epsilon), G + g**2


# %% wrong="adagrad" why="forgets old gradients, as RMSprop does" says="already part of G"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    G = 0.9 * G + 0.1 * g**2
    return theta - rate * g / (np.sqrt(G) + epsilon), G


# %% wrong="adagrad" why="changes the caller's G" says="in place"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    G += g**2
    return theta - rate * g / (np.sqrt(G) + epsilon), G


# %% wrong="adagrad" why="puts epsilon under the root, where its size means something else" says="outside of the root"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    G = G + g**2
    return theta - rate * g / np.sqrt(G + epsilon), G


# %% right="adagrad" why="by length and direction"
def adagrad_step(theta, G, g, rate, epsilon=1e-10):
    total = np.add(G, np.square(g))
    step = np.divide(g, np.sqrt(total) + epsilon)
    return np.subtract(theta, np.multiply(rate, step)), total


# %% [markdown]
# ## Question 5 · Which table does word2vec factorise?
# ★★ · 30 minutes · 5 points
#
# Skip-gram with negative sampling meets the pair $(i, j)$ of a word and its context $x_{ij}$ times. Beside
# each of these it draws $K$ negatives. A negative is the context $j$ with probability
#
# $$P_j = \frac{x_j^{p}}{\sum_{j'} x_{j'}^{p}}, \qquad x_j = \sum_i x_{ij} \tag{4}$$
#
# where the released program takes $p = \tfrac34$. With $x_i = \sum_j x_{ij}$, all that the loss says about the
# score $s$ of this pair is
#
# $$\ell(s) = -x_{ij} \log \sigma(s) - K\, x_i P_j \log \sigma(-s) \tag{5}$$
#
# Find the score that minimises (5), for every cell at once. Levy and Goldberg (2014) do it for $p = 1$;
# you do it for any $p$. Where $x_{ij} = 0$ the best score is minus infinity.
#
# <details><summary>Hint 1</summary>
#
# $\frac{d}{ds} \log \sigma(s) = \sigma(-s)$. Set the derivative of (5) to zero, and use
# $\sigma(s) / \sigma(-s) = e^s$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $e^s$ is a ratio: what was seen over what the negatives make you expect. The power acts on the
# columns' sums only.
#
# </details>


# %% answer="factor"
def best_scores(X, K, power=0.75):
    """The score of each pair that minimises (5).

    Args:
        X: (n, m) floats, counts; no row or column is empty.
        K: negatives for each real pair.
        power: p in (4).

    Returns:
        (n, m) floats, -inf where the count is zero. No warnings.

    Example: X = [[2, 1], [1, 2]], K = 1 -> log(2 / 1.5) on the diagonal,
        log(1 / 1.5) beside it
    """
    # BEGIN SOLUTION
    noise = X.sum(axis=0) ** power
    expected = K * np.outer(X.sum(axis=1), noise / noise.sum())
    with np.errstate(divide="ignore"):
        return np.log(X / expected)
    # END SOLUTION


# %%
def searched_score(X, i, j, K, power):
    """The minimum of (5) for one cell, by search."""
    weights = [sum(column) ** power for column in X.T]
    drawn = K * sum(X[i]) * weights[j] / sum(weights)

    def loss(s):
        return X[i, j] * np.logaddexp(0, -s) + drawn * np.logaddexp(0, s)

    return minimize_scalar(
        loss, bounds=(-20, 20), method="bounded", options={"xatol": 1e-9}
    ).x


# %% check="factor" points=2
with check("4 words, 5 contexts, no zeros, against a search cell by cell") as c:
    rng = np.random.default_rng(51)
    X = rng.integers(1, 60, size=(4, 5)).astype(float)
    want = [[searched_score(X, i, j, 5, 0.75) for j in range(5)] for i in range(4)]
    c.close(
        "scores",
        best_scores(X, 5),
        want,
        rtol=1e-4,
        atol=1e-4,
        hint="Which sums are the rows', which the columns'? On which side does K stand?",
    )

# %% check="factor" part="settings" points=1
with check("Other numbers of negatives and powers") as c:
    rng = np.random.default_rng(52)
    X = rng.integers(1, 60, size=(3, 6)).astype(float)
    for K, power in [(1, 1.0), (15, 0.5), (2, 0.0)]:
        want = [[searched_score(X, i, j, K, power) for j in range(6)] for i in range(3)]
        c.close(
            f"K = {K}, power {power}",
            best_scores(X, K, power),
            want,
            rtol=1e-4,
            atol=1e-4,
            hint="Do the probabilities (4) sum to one?",
        )

# %% check="factor" part="zeros" points=1
with check("A table with zeros") as c:
    rng = np.random.default_rng(53)
    X = rng.poisson(2, size=(5, 6)) + np.eye(5, 6)
    zeros, seen = np.sum(X == 0), np.argwhere(X > 0)[5:10]
    want = [searched_score(X, i, j, 5, 0.75) for i, j in seen]
    got = np.asarray(without_warnings(best_scores, X, 5))
    c.equal(
        "minus infinity",
        np.isneginf(got).sum(),
        zeros,
        hint="log 0 is no number to clip.",
    )
    c.close(
        "five seen pairs",
        [got[i, j] for i, j in seen],
        want,
        rtol=1e-4,
        atol=1e-4,
    )

# %% check="factor" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Three more tables") as c:
    rng = np.random.default_rng(54)
    for shape, K, power in [((8, 3), 7, 0.75), ((4, 9), 3, 1.0), ((5, 4), 25, 1.5)]:
        X = rng.gamma(0.6, 20, size=shape) + 0.1
        want = [
            [searched_score(X, i, j, K, power) for j in range(shape[1])]
            for i in range(shape[0])
        ]
        c.close("scores", best_scores(X, K, power), want, rtol=1e-3, atol=1e-3)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# $\ell'(s) = -x_{ij}\,\sigma(-s) + K x_i P_j\, \sigma(s) = 0$ gives $e^s = x_{ij} / (K x_i P_j)$, hence
#
# $$s = \log \frac{x_{ij}}{x_i P_j} - \log K$$
#
# For $p = 1$ this is $\mathrm{PMI} - \log K$. With $p = \tfrac34$ it is the PMI with a smoothed context
# distribution, which lecture 02 used for PPMI: rare contexts are expected more often than they come, so
# pairs with them lose some of their score. A zero count pulls its score down without end, which is why
# word2vec needs few dimensions and early stopping, and PPMI cuts at 0.


# %% wrong="factor" why="adds log K: more negatives would raise the scores" says="On which side does K stand?"
def best_scores(X, K, power=0.75):
    noise = X.sum(axis=0) ** power
    with np.errstate(divide="ignore"):
        return np.log(X * K / np.outer(X.sum(axis=1), noise / noise.sum()))


# %% wrong="factor" why="takes the power of the rows' sums, too" says="Which sums are the rows'"
def best_scores(X, K, power=0.75):
    noise = X.sum(axis=0) ** power
    expected = K * np.outer(X.sum(axis=1) ** power, noise / noise.sum())
    with np.errstate(divide="ignore"):
        return np.log(X / expected)


# %% wrong="factor" why="divides x_j ** p by the sum of counts: no distribution" says="Which sums are the rows'"
def best_scores(X, K, power=0.75):
    expected = K * np.outer(X.sum(axis=1), X.sum(axis=0) ** power / X.sum())
    with np.errstate(divide="ignore"):
        return np.log(X / expected)


# %% wrong="factor" why="is PMI, shifted, but ignores the power" says="Which sums are the rows'"
def best_scores(X, K, power=0.75):
    expected = K * np.outer(X.sum(axis=1), X.sum(axis=0)) / X.sum()
    with np.errstate(divide="ignore"):
        return np.log(X / expected)


# %% wrong="factor" why="cuts at 0, as PPMI does" says="values differ"
def best_scores(X, K, power=0.75):
    noise = X.sum(axis=0) ** power
    expected = K * np.outer(X.sum(axis=1), noise / noise.sum())
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(X / expected), 0)


# %% wrong="factor" why="lets NumPy warn of the logarithm of 0" says="RuntimeWarning: divide by zero"
def best_scores(X, K, power=0.75):
    noise = X.sum(axis=0) ** power
    return np.log(X / (K * np.outer(X.sum(axis=1), noise / noise.sum())))


# %% right="factor" why="as a difference of logarithms"
def best_scores(X, K, power=0.75):
    with np.errstate(divide="ignore"):
        logs = np.log(X)
    columns = power * np.log(X.sum(axis=0))
    columns = columns - np.log(np.sum(np.exp(columns)))
    return logs - np.log(X.sum(axis=1, keepdims=True)) - columns - np.log(K)


# %% [markdown]
# ## Question 6 · How far can you trust a count?
# ★★★ · 40 minutes · 6 points
#
# GloVe weighs a count $x$ by $(x/100)^{3/4}$, an exponent that its authors found by trying. Can it be
# *measured*? Statistics has a rule for sums of squares: weigh each by the inverse of its noise variance.
# So ask how noisy the logarithm of a count is.
#
# Split the documents into two halves at random and count in each. A pair gets the counts $a$ and $b$ of
# two texts that were written alike. If counts had no noise, $\log a = \log b$.
#
# **Predict before you run.** A pair was counted 10 times in one half, another 1,000 times. For which does
# the other half differ more, in logarithms? By what factor, roughly?

# %%
rng = np.random.default_rng(6)
lengths = np.diff(corpus.starts)
chosen = rng.random(len(lengths)) < 0.5


def count(documents, window, weighting):
    """Counts in the chosen documents only."""
    ids = corpus.ids[np.repeat(documents, lengths)]
    starts = np.concatenate([[0], np.cumsum(lengths[documents])])
    return cooccurrence(Corpus(vocabulary, ids, starts), window, weighting=weighting)


halves = {
    (window, weighting): [count(d, window, weighting) for d in (chosen, ~chosen)]
    for window, weighting in [(10, "harmonic"), (2, "flat")]
}


def both_counts(window, weighting):
    """The counts of the pairs that both halves know: two arrays (pairs,)."""
    first, second = halves[window, weighting]
    common = (first > 0).multiply(second > 0).nonzero()
    return first[common].astype(float), second[common].astype(float)


a, b = both_counts(10, "harmonic")
print(f"{len(a):,} pairs that both halves know")

# %% [markdown]
# Write `noise_by_level`. Put each pair into a bin by its mean count $(a + b) / 2$. Bin $k$ holds the means
# from `edges[k]` up to, but without, `edges[k + 1]`. For each bin return
#
# $$\text{level}_k = \exp\bigl(\text{mean of} \log \tfrac{a + b}{2}\bigr), \qquad
# \text{noise}_k = \tfrac12 \,\text{mean of} \, (\log a - \log b)^2 \tag{6}$$
#
# (Both halves have noise, and the variance of a difference is the sum of two variances: hence the ½.)
#
# Then `fit_power`. If $1 / \text{noise} \propto \text{level}^p$, the points lie on a line when both axes are
# logarithmic. Return the $p$ of the least-squares line through the bins, $\log(1/\text{noise})$ over
# $\log \text{level}$.
#
# <details><summary>Hint 1</summary>
#
# `np.digitize(x, edges)` says in which bin each number lies. Or build a mask for each bin in a loop.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The slope of a line through points is what `np.polyfit(x, y, 1)` returns first. Which is x, which is y,
# and what turns noise into $\log(1/\text{noise})$?
#
# </details>


# %% answer="trust"
def noise_by_level(a, b, edges):
    """How noisy log counts are, by the size of the count: (6).

    Args:
        a, b: (pairs,) floats above 0, counts of the same pairs in two halves.
        edges: (bins + 1,) ascending; pairs outside are left out.

    Returns:
        level (bins,) and noise (bins,), two arrays. No bin is empty.

    Example: a = np.array([1, 4]), b = np.array([1, 2]), edges = [0, 2, 5]
        -> level [1, 3], noise [0, (log 2)^2 / 2]
    """
    # BEGIN SOLUTION
    middle = (a + b) / 2
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (middle >= low) & (middle < high)
        level.append(np.exp(np.log(middle[inside]).mean()))
        noise.append(np.mean((np.log(a[inside]) - np.log(b[inside])) ** 2) / 2)
    return np.array(level), np.array(noise)
    # END SOLUTION


def fit_power(level, noise):
    """The exponent p of 1 / noise = constant * level ** p, by least squares on logs.

    Example: level = np.array([1, 10]), noise = np.array([1, 0.1]) -> 1.0
    """
    # BEGIN SOLUTION
    return -np.polyfit(np.log(level), np.log(noise), 1)[0]
    # END SOLUTION


# %%
def binned(a, b, edges):
    """(6) by SciPy, for the checks to compare with."""
    inside = (a + b) / 2 < edges[-1]  # SciPy's last bin would take its upper edge
    a, b = a[inside], b[inside]
    middle = (a + b) / 2
    values = [np.log(middle), 0.5 * np.log(a / b) ** 2]
    mean = stats.binned_statistic(
        middle, values, "mean", np.asarray(edges, dtype=float)
    )
    return np.exp(mean.statistic[0]), mean.statistic[1]


# %% check="trust" part="noise" points=2
with check("2,000 made-up pairs, some outside of the bins") as c:
    rng = np.random.default_rng(61)
    truth = np.exp(rng.uniform(-1, 6, size=2000))
    x, y = truth * np.exp(rng.normal(size=(2, 2000)) / (1 + truth**0.3))
    edges = [1, 3, 10, 30, 90]
    want, got = binned(x, y, edges), noise_by_level(x, y, edges)
    c.close(
        "level", got[0], want[0], hint="The mean is taken of logarithms. In which bins?"
    )
    c.close(
        "noise",
        got[1],
        want[1],
        hint="Squares of differences of logs. Where is the half?",
    )

# %% check="trust" part="power" points=1
with check("The power of noise that is known") as c:
    rng = np.random.default_rng(62)
    level = np.array([2.0, 5, 11, 40, 300])
    noises = [
        3 * level**-p * np.exp(0.1 * rng.normal(size=5)) for p in (0.6, 1, 1.3, 2)
    ]
    c.close(
        "powers",
        [fit_power(level, noise) for noise in noises],
        [stats.linregress(np.log(level), -np.log(noise)).slope for noise in noises],
        hint="A count with less noise deserves more weight: which sign has p?",
    )

# %% check="trust" part="measured" points=2 tags=["rtol=1e-2"]
with check("The class mix: two ways of counting") as c:
    edges = 2.0 ** np.arange(3, 11)
    for window, weighting in halves:
        a, b = both_counts(window, weighting)
        want_level, want_noise = binned(a, b, edges)
        level, noise = noise_by_level(a, b, edges)
        c.close(
            f"noise, window {window} {weighting}",
            noise,
            want_noise,
            rtol=1e-4,
            digits=3,
        )
        want = stats.linregress(np.log(want_level), -np.log(want_noise)).slope
        c.close("power", fit_power(level, noise), want, rtol=1e-4, digits=3)

# %% check="trust" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Poisson counts: edges that are met exactly") as c:
    rng = np.random.default_rng(63)
    truth = np.exp(rng.uniform(1.5, 6, size=20_000))
    x, y = 1.0 + rng.poisson(truth, size=(2, 20_000))
    edges = np.array([4.0, 10, 25, 60, 150])
    want, got = binned(x, y, edges), noise_by_level(x, y, edges)
    c.close("level", got[0], want[0])
    c.close("noise", got[1], want[1])
    slope = stats.linregress(np.log(want[0]), -np.log(want[1])).slope
    c.close("power", fit_power(*got), slope)
# END HIDDEN TESTS

# %% [markdown]
# **Draw it** (not graded): the noise against the level for both ways of counting, both axes logarithmic,
# with lines for the exponents 1 (what pure chance would give) and ¾ (GloVe's).

# %%
# Draw here.

# %% [markdown] tags=["solution"]
# The picture shows it: all points fall along nearly straight lines, a little less steeply than the
# dashed line of pure chance.

# %% tags=["solution"]
fig, ax = plt.subplots(figsize=(6, 4))
edges = 2.0 ** np.arange(3, 11)
for window, weighting in halves:
    level, noise = noise_by_level(*both_counts(window, weighting), edges)
    ax.loglog(level, noise, "o", label=f"window {window}, {weighting}")
for p, style in [(1, "--"), (0.75, ":")]:
    ax.loglog(
        level,
        noise[0] * (level / level[0]) ** -p,
        style,
        color="0.4",
        label=f"power {p}",
    )
ax.set(xlabel="count", ylabel="noise of its logarithm")
ax.legend()
plt.show()

# %% [markdown]
# **Defend it** (not graded). In five sentences: which exponent would you choose for this text, and from
# where on would you let all counts weigh the same? Pure chance (a Poisson count) has noise $1/x$. Why might
# real counts be noisier than that, and why more so where they are large? And what does your measurement
# leave out, since only pairs that both halves know can be compared?

# %% [markdown] tags=["solution"]
# The measured powers, 0.84 and 0.93, lie between GloVe's ¾ and the 1 of pure chance. So the rule of inverse
# variances would weigh counts a little more steeply than GloVe does, and would let the weight rise beyond 100.
# But noise isn't all that the loss must care about. The model can't fit every cell, and a weight that rises
# without end would give it to *of the* again. A cap and a flatter exponent share the model's few numbers more
# evenly.
#
# $x$ times the noise grows with $x$, from about 1 to nearly 2: words come in bursts. A document about ice has
# the pair (*ice*, *cold*) many times or not at all, and documents, not words, are what chance deals out. Pairs
# that one half lacks are left out, and they would make small counts noisier still.


# %% wrong="trust" why="forgets that both halves have noise" says="yours is 2 times as large"
def noise_by_level(a, b, edges):
    middle = (a + b) / 2
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (middle >= low) & (middle < high)
        level.append(np.exp(np.log(middle[inside]).mean()))
        noise.append(np.mean((np.log(a[inside]) - np.log(b[inside])) ** 2))
    return np.array(level), np.array(noise)


def fit_power(level, noise):
    return -np.polyfit(np.log(level), np.log(noise), 1)[0]


# %% wrong="trust" why="noise of the counts, not of their logarithms" says="Squares of differences of logs"
def noise_by_level(a, b, edges):
    middle = (a + b) / 2
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (middle >= low) & (middle < high)
        level.append(np.exp(np.log(middle[inside]).mean()))
        noise.append(np.mean((a[inside] - b[inside]) ** 2) / 2)
    return np.array(level), np.array(noise)


def fit_power(level, noise):
    return -np.polyfit(np.log(level), np.log(noise), 1)[0]


# %% wrong="trust" why="bins by the first half alone, which favours pairs it has by luck" says="In which bins?"
def noise_by_level(a, b, edges):
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (a >= low) & (a < high)
        level.append(np.exp(np.log((a + b)[inside] / 2).mean()))
        noise.append(np.mean((np.log(a[inside]) - np.log(b[inside])) ** 2) / 2)
    return np.array(level), np.array(noise)


def fit_power(level, noise):
    return -np.polyfit(np.log(level), np.log(noise), 1)[0]


# %% wrong="trust" why="the slope of the noise, not of the weight" says="every sign is flipped"
def noise_by_level(a, b, edges):
    middle = (a + b) / 2
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (middle >= low) & (middle < high)
        level.append(np.exp(np.log(middle[inside]).mean()))
        noise.append(np.mean((np.log(a[inside]) - np.log(b[inside])) ** 2) / 2)
    return np.array(level), np.array(noise)


def fit_power(level, noise):
    return np.polyfit(np.log(level), np.log(noise), 1)[0]


# %% wrong="trust" why="variance takes the mean off first, and hides what the halves differ in" says="Where is the half?"
def noise_by_level(a, b, edges):
    middle = (a + b) / 2
    level, noise = [], []
    for low, high in pairwise(edges):
        inside = (middle >= low) & (middle < high)
        level.append(np.exp(np.log(middle[inside]).mean()))
        noise.append(np.var(np.log(a[inside]) - np.log(b[inside])) / 2)
    return np.array(level), np.array(noise)


def fit_power(level, noise):
    return -np.polyfit(np.log(level), np.log(noise), 1)[0]


# %% right="trust" why="with digitize and bincount; the line by its normal equation"
def noise_by_level(a, b, edges):
    middle = (a + b) / 2
    place = np.digitize(middle, edges)  # 0 below, len(edges) above
    n, total, squares = (
        np.bincount(place, weights, minlength=len(edges) + 1)[1:-1]
        for weights in (None, np.log(middle), (np.log(a) - np.log(b)) ** 2)
    )
    return np.exp(total / n), squares / (2 * n)


def fit_power(level, noise):
    x, y = np.log(level), -np.log(noise)
    return np.sum((x - x.mean()) * y) / np.sum((x - x.mean()) ** 2)


# %% [markdown]
# ## What you have built
#
# All of GloVe: the ratios it starts from, the loss, the gradient and the optimiser. And you know from
# measurement how far a count can be trusted. Lecture 05 turns to the words that no count knows.
