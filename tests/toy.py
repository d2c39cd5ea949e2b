"""A small solution, as an author would write one, for tests of the tooling."""

SOURCE = '''\
# %% [markdown]
# # A toy exercise

# %%
import numpy as np

from helpers.course.checks import check

# %% [markdown]
# ## Question 1: squares

# %% answer="square"
def square(x):
    """Each element times itself: [1, 2] -> [1, 4]."""
    # BEGIN SOLUTION
    return x * x
    # END SOLUTION

# %% [markdown] tags=["solution"]
# Multiplication is exact for integers.

# %% check="square" points=2
with check("Squares of five integers") as c:
    c.equal("squares", square(np.arange(3, 8)), np.arange(3, 8) ** 2, hint="x times x")

# %% check="square" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Squares of floats") as c:
    x = np.linspace(-1.5, 2, 6)
    c.close("squares", square(x), x**2)
# END HIDDEN TESTS

# %% wrong="square" why="doubles" says="expected 9"
def square(x):
    return x + x

# %% wrong="square" why="forgets to return" says="return"
def square(x):
    x * x

# %% wrong="square" why="keeps the sign" says="expected 2.250"
def square(x):
    return x * abs(x)

# %% right="square" why="with the power operator"
def square(x):
    return x**2

# %% [markdown]
# ## Question 2: the mean

# %% answer="mean"
def mean(x):
    """The sum over the count."""
    # BEGIN SOLUTION
    return float(np.sum(x)) / len(x)
    # END SOLUTION

# %% check="mean" points=3 tags=["rtol=1e-3"]
with check("Mean of ten numbers") as c:
    x = np.random.default_rng(0).normal(size=10)
    c.close("mean", mean(x), np.mean(x), hint="How many numbers are there?")
    c.show("twice", [mean(x) * 2, mean(x + 1)])

# %% wrong="mean" why="divides by one less" says="1.111 times as large"
def mean(x):
    return float(np.sum(x)) / (len(x) - 1)

# %% wrong="mean" why="is the median" says="expected"
def mean(x):
    return float(np.median(x))

# %% wrong="mean" why="raises" says="ZeroDivisionError"
def mean(x):
    return 1 / 0

# %% right="mean" why="by NumPy"
def mean(x):
    return x.mean()
'''
