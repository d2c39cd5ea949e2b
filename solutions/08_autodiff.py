# %% [markdown]
# # Exercise 08 · Automatic differentiation
#
# **What you build.** The parts of an engine that differentiates programs: the honest nudge that it
# is tested against, a scalar engine, rules for arrays, the order of the backward pass, a primitive
# of your own, a checker that finds wrong rules, and a backward pass that fits into little memory.
#
# *You need* lecture 08. *It takes* about two and a half hours. *It is worth* 30 points in seven
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
from collections.abc import Mapping
from math import comb

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import approx_fprime, minimize_scalar

from helpers import autodiff, plots
from helpers.autodiff import check_grads, defvjp, primitive
from helpers.autodiff import numpy as anp
from helpers.course.checks import check
from helpers.device import seed_everything

seed_everything(8)
plots.use_style()

# %% [markdown]
# ## Question 1 · An honest nudge
# ★ · 15 minutes · 3 points
#
# Nudge a number by $h$ both ways, and look at the function. The two-sided difference is wrong for
# two reasons. The curve bends, which costs up to $M h^2 / 6$ if $|f'''| \le M$. And each value of
# $f$ is rounded, which costs about $\varepsilon F / h$ if $|f| \le F$, where
# $\varepsilon \approx 2.2 \cdot 10^{-16}$ is `np.finfo(float).eps` (Press et al. 2007, section
# 5.7):
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h},
# \qquad \text{error} \lesssim \frac{\varepsilon F}{h} + \frac{M h^2}{6} \tag{1}$$
#
# Here $e_i$ is 1 in place $i$ and 0 elsewhere. Write the gradient, one place at a time, for an
# array of any shape. Then find the $h$ that makes the bound smallest: differentiate it on paper.
#
# <details><summary>Hint 1</summary>
#
# `np.ndindex(x.shape)` visits every place of an array of any shape. What if you nudge the caller's
# own array?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Set the derivative of the bound with respect to $h$ to zero, and multiply by $h^2$.
#
# </details>


# %% answer="nudge"
def two_sided(f, x, h):
    """The gradient of f at x by two-sided differences.

    Args:
        f: takes an array of x's shape, returns a number.
        x: float array of any shape. It must stay as it is.
        h: the nudge, a positive number.

    Returns:
        A float array of x's shape.

    Example: f(x) = x[0] * x[1] at [3., 5.] -> [5., 3.], nearly
    """
    # BEGIN SOLUTION
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[place] = h
        gradient[place] = (f(x + nudge) - f(x - nudge)) / (2 * h)
    return gradient
    # END SOLUTION


def best_step(F, M):
    """The h at which the bound in (1) is smallest, for |f| <= F and |f'''| <= M."""
    # BEGIN SOLUTION
    return (3 * np.finfo(float).eps * F / M) ** (1 / 3)
    # END SOLUTION


# %%
def bound(h, F, M):
    """The bound on the error in (1)."""
    return np.finfo(float).eps * F / h + M * h**2 / 6


def lowest(F, M):
    """The h at which the bound is smallest, by search."""
    found = minimize_scalar(lambda e: np.log(bound(10**e, F, M)), bracket=(-9.0, -4.0))
    return 10**found.x


def wavy(x):
    """A number made of all places of x, no two of which play the same part."""
    weights = np.cos(np.arange(x.size)).reshape(x.shape)
    return anp.sum(weights * anp.sin(x) * anp.exp(0.3 * x)) + anp.sum(x) ** 3 / 50


# %% check="nudge" part="gradient" points=1 tags=["rtol=1e-3"]
with check("Gradients at arrays of shape (5,) and (2, 3), against autodiff") as c:
    rng = np.random.default_rng(11)
    for shape in [(5,), (2, 3)]:
        x = rng.normal(size=shape)
        before = x.copy()
        c.close(
            "gradient",
            two_sided(wavy, x, 1e-5),
            autodiff.grad(wavy)(before),
            rtol=1e-7,
            hint="One place at a time, both ways, divided by the distance between the two.",
        )
        c.true(
            "x is what it was, to the last bit",
            np.array_equal(x, before),
            x,
            hint="Adding and taking away the same nudge rounds. Nudge a copy.",
        )

# %% check="nudge" part="step" points=1 tags=["rtol=2e-2"]
with check("The V of exp(3x) at 1: its arms, and the step that (1) calls best") as c:
    h = np.logspace(-12, 0, 49)
    right = 3 * np.exp(3.0)
    F, M = np.exp(3.0), 27 * np.exp(3.0)
    found = [two_sided(lambda x: np.exp(3 * x[0]), np.ones(1), step)[0] for step in h]
    errors = np.abs(np.array(found) - right) / right
    arm = (h > 2e-4) & (h < 0.05)
    c.close(
        "on the right arm, the error grows as h to the power",
        np.polyfit(np.log(h[arm]), np.log(errors[arm]), 1)[0],
        2.0,
        rtol=0.01,
        digits=2,
        hint="A power of 1 is a one-sided difference; 0 is a wrong factor.",
    )
    cases = [(F, M), (1.0, 1.0), (3e4, 0.2), (5e-3, 700.0)]
    c.close(
        "best steps",
        [best_step(*case) for case in cases],
        [lowest(*case) for case in cases],
        rtol=1e-4,
        hint="Draw bound(h, F, M) over h: where is its lowest point? Does F enter?",
    )
    plt.loglog(h, errors, "o", label="measured")
    plt.loglog(h, bound(h, F, M) / right, label="bound (1)")
    plt.axvline(best_step(F, M), color="0.5", ls="--", label="your best step")
    plt.gca().set(xlabel="nudge h", ylabel="relative error", ylim=(1e-13, 10))
    plt.legend()
    plt.show()

# %% check="nudge" part="hidden" points=1 tags=["rtol=1e-3"]
# BEGIN HIDDEN TESTS
with check("A (2, 2, 3) array, a single number, and three more steps") as c:
    rng = np.random.default_rng(12)
    for shape in [(2, 2, 3), ()]:
        x = np.asarray(rng.normal(size=shape[::-1])).T

        def strict(z, shape=shape):
            assert np.shape(z) == shape, f"f got shape {np.shape(z)}, x has {shape}"
            return wavy(z)

        got = two_sided(strict, x, 3e-6)
        c.close("gradient", got, autodiff.grad(wavy)(x), rtol=1e-6, atol=1e-8)
    cases = [(8.0, 0.03), (0.6, 41.0), (2.5e6, 9e5)]
    got = [best_step(*case) for case in cases]
    c.close("best steps", got, [lowest(*case) for case in cases], rtol=1e-4)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The derivative of the bound is $-\varepsilon F / h^2 + M h / 3$, which is zero at
# $h^3 = 3 \varepsilon F / M$. For a function with $F$ and $M$ near 1 that is about $10^{-5}$: the
# number inside `check_grads`. The error there is of the order $\varepsilon^{2/3}$, so about ten
# digits are right. A one-sided difference has $h = \sqrt{\varepsilon}$ for its best step and keeps
# eight.
#
# The picture shows the V on logarithmic axes. The right arm lies on the bound. The left arm scatters
# around and below it, because rounding is a matter of luck ($x \pm h$ is rounded, too). The dashed
# line stands near the lowest points.


# %% wrong="nudge" why="one-sided difference" says="one-sided"
def two_sided(f, x, h):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[place] = h
        gradient[place] = (f(x + nudge) - f(x)) / h
    return gradient


def best_step(F, M):
    return np.cbrt(3 * np.finfo(float).eps * F / M)


# %% wrong="nudge" why="divides by one nudge where the points lie two apart" says="2 times as large"
def two_sided(f, x, h):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[place] = h
        gradient[place] = (f(x + nudge) - f(x - nudge)) / h
    return gradient


def best_step(F, M):
    return np.cbrt(3 * np.finfo(float).eps * F / M)


# %% wrong="nudge" why="nudges all places at once" says="One place at a time"
def two_sided(f, x, h):
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))


def best_step(F, M):
    return np.cbrt(3 * np.finfo(float).eps * F / M)


# %% wrong="nudge" why="nudges the caller's array and does not get back exactly" says="Nudge a copy"
def two_sided(f, x, h):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        x[place] += h
        above = f(x)
        x[place] -= 2 * h
        gradient[place] = (above - f(x)) / (2 * h)
        x[place] += h
    return gradient


def best_step(F, M):
    return np.cbrt(3 * np.finfo(float).eps * F / M)


# %% wrong="nudge" why="the best step of a one-sided difference" says="lowest point"
def two_sided(f, x, h):
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[place] = h
        gradient[place] = (f(x + nudge) - f(x - nudge)) / (2 * h)
    return gradient


def best_step(F, M):
    return np.sqrt(np.finfo(float).eps * F / M)


# %% wrong="nudge" why="nudges whole rows of a matrix" says="One place at a time"
def two_sided(f, x, h):
    gradient = np.zeros(x.shape)
    for i in range(len(x)):
        above, below = x.copy(), x.copy()
        above[i] += h
        below[i] -= h
        gradient[i] = (f(above) - f(below)) / (2 * h)
    return gradient


def best_step(F, M):
    return np.cbrt(3 * np.finfo(float).eps * F / M)


# %% right="nudge" why="with rows of the unit matrix"
def two_sided(f, x, h):
    nudges = h * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [(f(x + nudge) - f(x - nudge)) / 2 / h for nudge in nudges]
    return np.array(slopes).reshape(x.shape)


def best_step(F, M):
    return np.exp(np.log(3 * np.finfo(float).eps * F / M) / 3)


# %% [markdown]
# ## Question 2 · A scalar engine
# ★★ · 30 minutes · 5 points
#
# The engine of the lecture kept rules with primitives. Build one of another kind. Each operation
# computes its number *and* the derivatives that will be needed later, its **slopes**: one number
# for each parent. Then the backward pass only multiplies and adds (Griewank & Walther 2008, ch. 3):
#
# $$\bar u = \sum_{v \,\in\, \text{children}(u)} \bar v \, \frac{\partial v}{\partial u} \tag{2}$$
#
# The class is given, and `+` is done. The other operators call functions that you write.


# %%
class Value:
    """A number, the values that it was made from, and its slope along each of them.

    slopes[i] is the derivative of data with respect to parents[i].data.
    """

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.parents, self.slopes = data, parents, slopes
        self.grad = 0.0

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return multiply(self, other)

    def __truediv__(self, other):
        return divide(self, other)

    def exp(self):
        return exponential(self)


# %% [markdown]
# A value may have several children. It may even be both parents of one child, as in `x * x`. None
# may send before the last of its children has sent, and none may send twice: double a value 25
# times by `x = x + x`, and $2^{25}$ paths lead from the end to the start, but there are only 26
# values to visit.
#
# <details><summary>Hint 1</summary>
#
# First collect the values, each once, parents before children. A recursive function can do that:
# see to all parents, then add yourself to the list. (Question 4 does without recursion.)
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then walk that list from its end to its beginning. What must every `grad` be before you start,
# also when somebody calls `backward` a second time?
#
# </details>


# %% answer="scalar"
def multiply(a, b):
    """The Value a * b."""
    # BEGIN SOLUTION
    return Value(a.data * b.data, (a, b), (b.data, a.data))
    # END SOLUTION


def divide(a, b):
    """The Value a / b."""
    # BEGIN SOLUTION
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))
    # END SOLUTION


def exponential(a):
    """The Value e to the a."""
    # BEGIN SOLUTION
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))
    # END SOLUTION


def backward(end):
    """Set value.grad = d end / d value for end and all that it was made from."""
    # BEGIN SOLUTION
    order, seen = [], set()

    def visit(value):
        if value not in seen:
            seen.add(value)
            value.grad = 0.0
            for parent in value.parents:
                visit(parent)
            order.append(value)

    visit(end)
    end.grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += value.grad * slope
    # END SOLUTION


# %%
def as_torch(number):
    """The same number for PyTorch, which the checks compare with."""
    return torch.tensor(number, dtype=torch.float64, requires_grad=True)


def random_program(make, seed, steps=18):
    """Inputs and end of a program in which every value has several children."""
    rng = np.random.default_rng(seed)
    inputs = [make(number) for number in rng.uniform(0.5, 1.5, size=4)]
    values = list(inputs)
    for kind in rng.integers(4, size=steps):
        a, b = (values[-i] for i in rng.integers(1, 6, size=2).clip(max=len(values)))
        values.append([a + b, a * b, a / (b * b + inputs[0]), (a / b).exp()][kind])
        values[-1] = values[-1] / (values[-1] + inputs[1])  # stays near 1
    return inputs, sum(values[1:], values[0])


# %%
class WatchedParents(tuple):
    """Parents that count how often anybody goes through them."""

    def __iter__(self):
        self.reads["all"] += 1
        if self.reads["all"] > 2000:
            raise RuntimeError("parents were read 2,000 times, for under 200 values")
        return super().__iter__()


def watch(end):
    """The same end; from now on, its graph stops whoever goes on without end."""
    reads, stack = Counter(), [end]
    while stack:
        value = stack.pop()
        if not isinstance(value.parents, WatchedParents):
            stack += value.parents
            value.parents = WatchedParents(value.parents)
            value.parents.reads = reads
    return end


def slopes_along(value, *parents):
    """The slope of value along each of parents, in whichever order value has them."""
    pairs = list(zip(value.parents, value.slopes, strict=True))
    return [sum(slope for p, slope in pairs if p is parent) for parent in parents]


# %% check="scalar" part="slopes" points=1
with check("Data and slopes of a * b, a / b and exp(a), without backward") as c:
    rng = np.random.default_rng(21)
    a, b = rng.uniform(0.5, 2, size=2)
    operations = {"*": lambda x: x[0] * x[1], "/": lambda x: x[0] / x[1]}
    for sign, operation in operations.items():
        left, right = Value(a), Value(b)
        got = operation([left, right])
        c.close(f"a {sign} b", got.data, operation([a, b]))
        want = approx_fprime([a, b], operation)
        c.close(
            f"slopes of a {sign} b",
            slopes_along(got, left, right),
            want,
            rtol=1e-6,
            hint="Hold b fixed and differentiate with respect to a; then the other way.",
        )
    got = Value(a).exp()
    c.close("exp(a) and its slope", [got.data, got.slopes[0]], np.exp([a, a]))

# %% check="scalar" part="neuron" points=1
with check("The neuron of the lecture, at other numbers; each value used once") as c:
    numbers = np.random.default_rng(22).uniform(-1, 1, size=3)

    def neuron(make):
        w, x, b = inputs = [make(number) for number in numbers]
        return inputs, make(1.0) / (make(1.0) + (make(-1.0) * (w * x + b)).exp())

    inputs, y = neuron(Value)
    backward(watch(y))
    theirs, torch_y = neuron(as_torch)
    torch_y.backward()
    c.close("output", y.data, torch_y.item())
    c.close(
        "gradients of w, x and b",
        [value.grad for value in inputs],
        [value.grad.item() for value in theirs],
        hint="Where does the backward pass start, and with which gradient?",
    )

# %% check="scalar" part="shared" points=2
with check("x * x, and two programs of many shared values; backward twice") as c:
    x = Value(np.random.default_rng(23).uniform(1, 2))
    backward(x * x)
    c.close(
        "d(x * x) / dx", x.grad, 2 * x.data, hint="x is both parents: two messages."
    )
    for seed in (24, 25):
        inputs, end = random_program(Value, seed)
        backward(watch(end))
        backward(end)
        theirs, torch_end = random_program(as_torch, seed)
        torch_end.backward()
        c.close(
            f"gradients of program {seed}",
            [value.grad for value in inputs],
            [value.grad.item() for value in theirs],
            hint="Do messages add up? Does a value wait for its last child? Does the "
            "second call of backward start afresh?",
        )
with check("A value doubled 25 times: 26 values, 2 to the 25 paths") as c:
    x = end = Value(0.7)
    for _ in range(25):
        end = end + end
    backward(watch(end))
    c.close("gradient", x.grad, 2.0**25, hint="Is each value visited once?")

# %% check="scalar" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Five more programs") as c:
    for seed in range(26, 31):
        inputs, end = random_program(Value, seed, steps=25)
        backward(watch(end))
        theirs, torch_end = random_program(as_torch, seed, steps=25)
        torch_end.backward()
        got = [value.grad for value in inputs]
        c.close(f"program {seed}", got, [value.grad.item() for value in theirs])
with check(
    "Two ends over the same values, one of them negative; the first end again"
) as c:
    numbers = np.random.default_rng(32).uniform(0.5, 1.5, size=2) * [1, -1]

    def two_ends(make):
        a, b = inputs = [make(number) for number in numbers]
        shared = a / b
        return inputs, [shared * a + b, shared.exp() / (b + b)]

    inputs, ends = two_ends(Value)
    for which in (0, 1, 0):
        backward(ends[which])
        theirs, torch_ends = two_ends(as_torch)
        torch_ends[which].backward()
        got = [value.grad for value in inputs]
        c.close(f"end {which}", got, [value.grad.item() for value in theirs])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Slopes are numbers, computed on the way forward, so the backward pass knows no calculus. For a
# program of numbers that is the simplest engine there is. For arrays it fails: the slope of a
# matrix product would be its Jacobian. That is why the lecture keeps rules, which multiply by a
# Jacobian without building it.
#
# `visit` adds a value to the list after all that it was made from. Backwards, each value then
# stands after everything that was made from it: all of its children. The set `seen` turns $2^{25}$
# paths into 26 visits.


# %% wrong="scalar" why="assigns where messages should add up" says="two messages"
def multiply(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def divide(a, b):
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))


def exponential(a):
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))


def backward(end):
    order = []

    def visit(value):
        if value not in order:
            for parent in value.parents:
                visit(parent)
            order.append(value)

    visit(end)
    end.grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad = value.grad * slope


# %% wrong="scalar" why="follows every path: right numbers, exponential time" says="parents were read 2,000 times"
def multiply(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def divide(a, b):
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))


def exponential(a):
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))


def backward(end):
    def clear(value):
        value.grad = 0.0
        for parent in value.parents:
            clear(parent)

    def send(value, message):
        value.grad += message
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            send(parent, message * slope)

    clear(end)
    send(end, 1.0)


# %% wrong="scalar" why="sends on before all children have sent" says="wait for its last child"
def multiply(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def divide(a, b):
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))


def exponential(a):
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))


def backward(end):
    order = [end]
    for value in order:
        value.grad = 0.0
        order += [parent for parent in value.parents if parent not in order]
    end.grad = 1.0
    for value in dict.fromkeys(order):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += value.grad * slope


# %% wrong="scalar" why="the second call adds to what the first one left" says="start afresh"
def multiply(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def divide(a, b):
    return Value(a.data / b.data, (a, b), (1 / b.data, -a.data / b.data**2))


def exponential(a):
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))


def backward(end):
    order, seen = [], set()

    def visit(value):
        if value not in seen:
            seen.add(value)
            for parent in value.parents:
                visit(parent)
            order.append(value)

    visit(end)
    end.grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += value.grad * slope


# %% wrong="scalar" why="the quotient's second slope has the wrong sign" says="Hold b fixed"
def multiply(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data))


def divide(a, b):
    return Value(a.data / b.data, (a, b), (1 / b.data, a.data / b.data**2))


def exponential(a):
    return Value(np.exp(a.data), (a,), (np.exp(a.data),))


def backward(end):
    order, seen = [], set()

    def visit(value):
        if value not in seen:
            seen.add(value)
            value.grad = 0.0
            for parent in value.parents:
                visit(parent)
            order.append(value)

    visit(end)
    end.grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += value.grad * slope


# %% right="scalar" why="counts the children that have not sent yet, without recursion"
def multiply(a, b):
    return Value(a.data * b.data, [a, b], [b.data, a.data])


def divide(a, b):
    return Value(a.data / b.data, [a, b], [b.data**-1.0, -a.data * b.data**-2.0])


def exponential(a):
    data = float(np.exp(a.data))
    return Value(data, [a], [data])


def backward(end):
    waiting, stack, found = Counter(), [end], {end}
    while stack:
        value = stack.pop()
        value.grad = 0.0
        for parent in value.parents:
            waiting[parent] += 1
            if parent not in found:
                found.add(parent)
                stack.append(parent)
    end.grad, ready = 1.0, [end]
    while ready:
        value = ready.pop()
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad
            waiting[parent] -= 1
            if waiting[parent] == 0:
                ready.append(parent)


# %% [markdown]
# ## Question 3 · Rules for arrays
# ★★ · 30 minutes · 6 points
#
# For arrays, a primitive brings a rule for each argument, its **vector-Jacobian product**. With the
# answer $v = f(u_1, u_2, …)$, and the gradient $\bar v$ of the loss with respect to it, the rule
# gives
#
# $$\bar u_i^{\top} = \bar v^{\top} \, \frac{\partial v}{\partial u_i} \tag{3}$$
#
# A rule is called with `g` ($\bar v$, of the answer's shape), `ans` ($v$), and the primitive's
# arguments. It returns an array of the shape of *its* argument. No Jacobian is built. Write three
# rules, and the function that undoes broadcasting:
#
# | | the primitive | for instance |
# |---|---|---|
# | `divide_rules` | `x / y`, with broadcasting | (4, 3) and (3,) to (4, 3) |
# | `mean_rule` | `np.mean(x, axis)` over one axis, which disappears | (4, 3), axis 1, to (4,) |
# | `rows_rule` | `table[ids]`: one row for each id, perhaps the same row several times | (9, 5) and (2, 4) to (2, 4, 5) |
#
# The third is how every model of words begins: a table of vectors, and the ids of a text.
#
# <details><summary>Hint 1</summary>
#
# Ask of each element of the argument: which elements of the answer does it reach? It collects from
# all of these, each times its derivative.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Broadcasting adds axes in front and stretches axes of size 1: sum over both kinds.
# `np.expand_dims` puts a lost axis back. `grad[ids] += g` forgets repetitions; `np.add.at` doesn't.
#
# </details>


# %% answer="rules"
def unbroadcast(g, shape):
    """Sum g over the axes along which an array of this shape was broadcast.

    Example: g of shape (2, 4, 3), shape (4, 1) -> an array of shape (4, 1)
    """
    # BEGIN SOLUTION
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)
    # END SOLUTION


def divide_rules(g, ans, x, y):
    """The gradients of x / y with respect to x and y: a pair of arrays."""
    # BEGIN SOLUTION
    return unbroadcast(g / y, x.shape), unbroadcast(-g * ans / y, y.shape)
    # END SOLUTION


def mean_rule(g, ans, x, axis):
    """The gradient of np.mean(x, axis) with respect to x; axis is one integer."""
    # BEGIN SOLUTION
    return np.broadcast_to(np.expand_dims(g, axis) / x.shape[axis], x.shape)
    # END SOLUTION


def rows_rule(g, ans, table, ids):
    """The gradient of table[ids] with respect to table."""
    # BEGIN SOLUTION
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient
    # END SOLUTION


# %%
def torch_rules(fun, g, *arrays, **constants):
    """The gradients of fun by PyTorch's autograd, for the checks to compare with."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    answer = fun(*tensors, **constants)
    gradients = torch.autograd.grad(answer, tensors, torch.tensor(g))
    return [gradient.numpy() for gradient in gradients]


# %% check="rules" part="unbroadcast" points=1
with check("Gradients of shape (2, 4, 3), back to six shapes") as c:
    g = np.random.default_rng(31).normal(size=(2, 4, 3))
    for shape in [(), (1,), (3,), (4, 1), (1, 1, 3), (2, 4, 3)]:
        (want,) = torch_rules(lambda x: x.expand(2, 4, 3), g, np.zeros(shape))
        c.close(
            f"to {shape}",
            unbroadcast(g, shape),
            want,
            hint="New axes are in front and vanish; stretched axes stay, with size 1.",
        )

# %% check="rules" part="divide" points=1
with check("x / y, for shapes (4, 3) and (3,), (4, 1) and (2, 1, 3), () and (2,)") as c:
    rng = np.random.default_rng(32)
    for left, right in [((4, 3), (3,)), ((4, 1), (2, 1, 3)), ((), (2,))]:
        x, y = rng.normal(size=left), rng.uniform(0.5, 2, size=right)
        g = rng.normal(size=np.broadcast_shapes(left, right))
        got = divide_rules(g, x / y, x, y)
        want = torch_rules(lambda x, y: x / y, g, x, y)
        c.close("gradient of x", got[0], want[0], hint="How often was x used?")
        c.close("gradient of y", got[1], want[1], hint="d(1/y) / dy is not 1/y.")

# %% check="rules" part="mean" points=1
with check("Mean of (4, 4) over axes 1 and 0, and of (2, 5, 3) over axis -2") as c:
    rng = np.random.default_rng(33)
    for shape, axis in [((4, 4), 1), ((4, 4), 0), ((2, 5, 3), -2)]:
        x = rng.normal(size=shape)
        ans = x.mean(axis)
        g = rng.normal(size=ans.shape)
        (want,) = torch_rules(torch.mean, g, x, dim=axis)
        c.close(
            f"axis {axis}",
            mean_rule(g, ans, x, axis),
            want,
            hint="All elements along the axis get the same share of the same number.",
        )

# %% check="rules" part="rows" points=1
with check("Rows of a (6, 3) table by 8 ids with repetitions, and by (2, 4) ids") as c:
    rng = np.random.default_rng(34)
    table = rng.normal(size=(6, 3))
    for ids in [
        np.array([4, 0, 4, 5, 2, 4, 0, 2]),
        np.array([[1, 1, 5, 3], [3, 1, 0, 5]]),
    ]:
        g = rng.normal(size=(*ids.shape, 3))
        (want,) = torch_rules(lambda t, ids: t[ids], g, table, ids=ids)
        c.close(
            f"ids of shape {ids.shape}",
            rows_rule(g, table[ids], table, ids),
            want,
            hint="Rows that were read twice get two gradients; rows never read get none.",
        )


# %% [markdown]
# Now plug your rules into the course's engine and let it differentiate a small model: the mean
# vector of each text, divided by a scale for each coordinate.


# %%
def engine_gradients(table, scale, ids):
    """Gradients of a loss with respect to table and scale, by your rules."""
    rows = primitive(lambda table, ids: table[ids])
    mean = primitive(lambda x, axis: np.mean(x, axis))
    divide = primitive(lambda x, y: np.divide(x, y))
    defvjp(rows, rows_rule)
    defvjp(mean, mean_rule)
    first, second = (lambda *a: divide_rules(*a)[0]), (lambda *a: divide_rules(*a)[1])
    defvjp(divide, first, second)

    def loss(table, scale):
        return anp.sum(anp.tanh(divide(mean(rows(table, ids), 1), scale)))

    return autodiff.grad(loss, argnum=(0, 1))(table, scale)


# %% check="rules" part="engine" points=1
with check("Three texts of five words, vectors of length 4, all rules together") as c:
    rng = np.random.default_rng(35)
    table, scale = rng.normal(size=(9, 4)), rng.uniform(0.3, 2, size=4)
    ids = rng.integers(9, size=(3, 5))
    got = engine_gradients(table, scale, ids)
    want = torch_rules(
        lambda t, s: (t[ids].mean(1) / s).tanh().sum(), 1.0, table, scale
    )
    c.close("gradient of the scale", got[1], want[1], hint="Which part above fails?")
    c.close("gradient of the table", got[0], want[0], hint="Which part above fails?")

# %% check="rules" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other shapes, for every rule") as c:
    rng = np.random.default_rng(36)
    g = rng.normal(size=(3, 1, 5, 2))
    for shape in [(5, 1), (3, 1, 1, 2), (1, 5, 2), ()]:
        (want,) = torch_rules(lambda x: x.expand(3, 1, 5, 2), g, np.zeros(shape))
        c.close(f"to {shape}", unbroadcast(g, shape), want)
    x, y = rng.normal(size=(1, 3)), rng.uniform(-2, -0.5, size=(4, 1))
    g = rng.normal(size=(4, 3))
    before, want = g.copy(), torch_rules(lambda x, y: x / y, g, x, y)
    got = divide_rules(g, x / y, x, y)
    c.close("x / y", got[0], want[0])
    c.close("x / y", got[1], want[1])
    c.close("g is what it was", g, before)
    x, g = rng.normal(size=(3, 3, 3)), rng.normal(size=(3, 3))
    for axis in (0, 1, -1):
        (want,) = torch_rules(torch.mean, g, x, dim=axis)
        c.close(f"mean over {axis}", mean_rule(g, x.mean(axis), x, axis), want)
    table, ids = rng.normal(size=(4, 2)), rng.integers(4, size=30)
    g = rng.normal(size=(30, 2))
    (want,) = torch_rules(lambda t: t[ids], g, table)
    before = table.copy()
    c.close("rows", rows_rule(g, table[ids], table, ids), want)
    c.close("the table is what it was", table, before)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# All four are one idea, (2) for elements: whoever was used many times collects from many places.
# Division uses a broadcast scale once in every row, the mean uses each element once, reading rows
# uses a row as often as its id occurs. Backward, a broadcast is a sum, a sum is a broadcast, and
# reading is adding.
#
# With a (4, 4) input, the mean's rule can forget to put the axis back, and every shape still fits.
# Only the numbers are wrong, for one axis of the two. Test rules on square arrays *and* on others.


# %% wrong="rules" why="+= with repeated ids adds only once" says="Rows that were read twice"
def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)


def mean_rule(g, ans, x, axis):
    return np.repeat(np.expand_dims(g, axis), x.shape[axis], axis) / x.shape[axis]


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    gradient[ids] += g
    return gradient


# %% wrong="rules" why="the mean's rule leaves the lost axis out and forgets 1/n" says="same share"
def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)


def mean_rule(g, ans, x, axis):
    return np.ones(x.shape) * g


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient


# %% wrong="rules" why="the mean's rule broadcasts along the wrong axis" says="yours is the transpose"
def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)


def mean_rule(g, ans, x, axis):
    return np.ones(x.shape) * g / x.shape[axis]


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient


# %% wrong="rules" why="sums over new axes only, not over stretched ones" says="stretched axes stay, with size 1"
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)


def mean_rule(g, ans, x, axis):
    return np.repeat(np.expand_dims(g, axis), x.shape[axis], axis) / x.shape[axis]


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient


# %% wrong="rules" why="takes means where it should sum" says="New axes are in front"
def unbroadcast(g, shape):
    g = g.mean(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.mean(axis=stretched, keepdims=True)


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(-g * x / y**2, y.shape)


def mean_rule(g, ans, x, axis):
    return np.repeat(np.expand_dims(g, axis), x.shape[axis], axis) / x.shape[axis]


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient


# %% wrong="rules" why="the quotient's rule for y is that of a product with 1/y" says="d(1/y) / dy"
def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def divide_rules(g, ans, x, y):
    return unbroadcast(g / y, x.shape), unbroadcast(g * x, y.shape)


def mean_rule(g, ans, x, axis):
    return np.repeat(np.expand_dims(g, axis), x.shape[axis], axis) / x.shape[axis]


def rows_rule(g, ans, table, ids):
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, g)
    return gradient


# %% right="rules" why="with einsum, a product with ones, and one-hot vectors"
def unbroadcast(g, shape):
    padded = (1,) * (g.ndim - len(shape)) + tuple(shape)
    for axis, size in enumerate(padded):
        if size != g.shape[axis]:
            g = np.add.reduce(g, axis=axis, keepdims=True)
    return g.reshape(shape)


def divide_rules(g, ans, x, y):
    share = g * y**-1.0
    return [unbroadcast(share, np.shape(x)), -unbroadcast(share * ans, np.shape(y))]


def mean_rule(g, ans, x, axis):
    moved = np.moveaxis(np.zeros(x.shape), axis, -1) + g[..., None]
    return np.moveaxis(moved, -1, axis) / x.shape[axis]


def rows_rule(g, ans, table, ids):
    one_hot = np.eye(len(table))[np.ravel(ids)]  # (number of ids, rows)
    return one_hot.T @ g.reshape(-1, table.shape[1])


# %% [markdown]
# ## Question 4 · The order
# ★★ · 20 minutes · 4 points
#
# A backward pass may visit a value only after all of its children. Such an order is a **topological
# order** of the graph. Here a graph is a mapping from each node's name to the list of its parents:
#
# `{"x": [], "y": ["x"], "z": ["x", "x"], "L": ["y", "z"], "other": ["y"]}`
#
# A parent that is used twice stands in the list twice. The graph may hold nodes that the end does
# not depend on, like `other`. Leave these out: they would send nothing, and nobody should wait for
# them. If the nodes below `end` form a cycle, no order exists. Then raise `ValueError`.
#
# Programs are long. Recursion stops at a depth of about 1,000, so do without it. And read the graph
# in proportion to its size (Kahn 1962).
#
# <details><summary>Hint 1</summary>
#
# First find the nodes below `end`, with a list of those that you still have to look at. On the way,
# count for each how many times it is used.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A node is ready when all of its uses are crossed off. If nothing is ready but some nodes still
# wait, what does the graph look like?
#
# </details>


# %% answer="order"
def topological_order(end, parents):
    """The nodes that end depends on, and end itself, each after all of its children.

    Args:
        end: the name of the node where the backward pass starts.
        parents: a mapping from each node's name to the list of its parents' names.

    Returns:
        A list of names, each once; the first one is end. Of the orders that exist,
        any will do.

    Raises:
        ValueError: the nodes form a cycle.

    Example: end "L" in the graph above -> ["L", "y", "z", "x"] or ["L", "z", "y", "x"]
    """
    # BEGIN SOLUTION
    uses, stack = {end: 0}, [end]
    while stack:
        for parent in parents[stack.pop()]:
            if parent not in uses:
                uses[parent] = 0
                stack.append(parent)
            uses[parent] += 1
    order = [end] if uses[end] == 0 else []
    for node in order:
        for parent in parents[node]:
            uses[parent] -= 1
            if uses[parent] == 0:
                order.append(parent)
    if len(order) < len(uses):
        raise ValueError(f"{len(uses) - len(order)} nodes form a cycle or wait for one")
    return order
    # END SOLUTION


# %%
class Graph(Mapping):
    """A mapping that counts how often it is read, and stops who reads without end."""

    def __init__(self, parents):
        self.parents, self.reads = parents, 0

    def __getitem__(self, node):
        self.reads += 1
        if self.reads > 10 * len(self.parents):
            raise RuntimeError(f"{self.reads} reads of {len(self)} nodes' parents")
        return list(self.parents[node])

    def __iter__(self):
        return iter(self.parents)

    def __len__(self):
        return len(self.parents)


def random_graph(seed, size):
    """A graph of named nodes and its end; some nodes lead elsewhere."""
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in rng.permutation(size)]
    parents = {}
    for i, name in enumerate(names):
        chosen = (
            rng.integers(max(0, i - 4), i, size=rng.integers(1, 4)) if i > 2 else []
        )
        parents[name] = [names[j] for j in chosen]
    shuffled = {name: parents[name] for name in rng.permutation(names).tolist()}
    return names[-4], shuffled


# %%
def paths_along(order, parents):
    """How many paths lead from the end to each node, if messages go in this order."""
    paths = Counter({order[0]: 1})
    for node in order:
        for parent in parents[node]:
            paths[parent] += paths[node]
    return paths


def paths_by_inverse(end, parents):
    """The same by linear algebra: the row of end in 1 + A + A² + … = (1 - A)⁻¹."""
    place = {name: i for i, name in enumerate(parents)}
    A = np.zeros((len(place), len(place)))
    for name, above in parents.items():
        for parent in above:
            A[place[name], place[parent]] += 1
    row = np.linalg.inv(np.eye(len(A)) - A)[place[end]].round().astype(int)
    return {name: n for name, n in zip(place, row.tolist(), strict=True) if n}


# %% check="order" part="order" points=1
with check("Graphs of 14, 25 and 40 nodes, no cycles: paths along your order") as c:
    for seed, size in [(41, 14), (42, 25), (43, 40)]:
        end, parents = random_graph(seed, size)
        order = list(topological_order(end, Graph(parents)))
        want = paths_by_inverse(end, parents)
        c.equal(
            "nodes, each once", len(order), len(want), hint="end and what is below."
        )
        c.equal("the same names", sorted(order), sorted(want))
        got = paths_along(order, parents)
        c.equal(
            "paths to each of them",
            np.array([got[name] for name in sorted(order)]),
            np.array([want[name] for name in sorted(want)]),
            hint="Too few: a node came before one of its children.",
        )

# %% check="order" part="deep" points=1
with check("A chain of 20,000 nodes; 40 nodes that each use the next twice") as c:
    chain = {i: [i - 1] if i else [] for i in range(20_000)}
    order = list(topological_order(19_999, Graph(chain)))
    c.equal("first and last", [*order[:2], *order[-2:]], [19_999, 19_998, 1, 0])
    ladder = {i: [i - 1] * 2 if i else [] for i in range(40)}
    order = list(topological_order(39, Graph(ladder)))
    c.equal("paths down the ladder", paths_along(order, ladder)[0], 2**39)

# %% check="order" part="cycle" points=1
with check("Eight graphs, some with a cycle: nodes, or 0 for ValueError") as c:
    got, want = [], []
    for seed in range(44, 52):
        end, parents = random_graph(seed, size=seed)
        below = sorted(paths_by_inverse(end, parents))
        if seed % 3 == 0:
            parents[below[1]] = [*parents[below[1]], end]  # a cycle through the end
        elif seed % 3 == 1:
            parents[below[2]] = [*parents[below[2]], below[2]]  # its own parent
        want.append(len(below) if seed % 3 == 2 else 0)
        try:
            got.append(len(list(topological_order(end, Graph(parents)))))
        except ValueError:
            got.append(0)
    c.equal("eight answers", got, want, hint="Who still waits when nobody is ready?")

# %% check="order" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Four larger graphs; a cycle that is not below the end") as c:
    for seed in range(52, 56):
        end, parents = random_graph(seed, 60)
        want = paths_by_inverse(end, parents)
        parents["outside"] = ["outside"]
        order = list(topological_order(end, Graph(parents)))
        got = paths_along(order, parents)
        c.equal("nodes", sorted(order), sorted(want))
        c.equal(
            "paths",
            np.array([got[name] for name in sorted(order)]),
            np.array([want[name] for name in sorted(want)]),
        )
with check("Rings of 1 to 5 nodes below the end: nodes, or 0 for ValueError") as c:
    got = []
    for size in range(1, 6):
        parents = {"end": ["way", "leaf"], "way": ["leaf", 0], "leaf": []}
        parents |= {i: ["leaf", (i + 1) % size] for i in range(size)}
        try:
            got.append(len(list(topological_order("end", Graph(parents)))))
        except ValueError:
            got.append(0)
    c.equal("five answers", got, [0] * 5)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# `uses` counts children, and counts one twice if it uses the node twice. Each crossing-off takes
# one away, so a node becomes ready exactly once. The `for` loop runs over a list that grows inside
# it: what was ready first is visited first. If a cycle exists, each of its nodes waits for another
# one, and the list ends too early.
#
# The numbers of paths show how a wrong order does its harm. A node that sends too early sends too
# little, and nobody notices: a gradient comes out, only a wrong one.


# %% wrong="order" why="as found, breadth first: distance is not order" says="before one of its children"
def topological_order(end, parents):
    order = [end]
    for node in order:
        for parent in parents[node]:
            if parent not in order:
                order.append(parent)
            elif parent in (end, node):
                raise ValueError("a cycle")
    return order


# %% wrong="order" why="recursive: stops at a depth of 1,000" says="RecursionError"
def topological_order(end, parents):
    finished, open_nodes = {}, set()

    def visit(node):
        if node in open_nodes:
            raise ValueError("a cycle")
        if node not in finished:
            open_nodes.add(node)
            for parent in parents[node]:
                visit(parent)
            open_nodes.remove(node)
            finished[node] = True

    visit(end)
    return list(finished)[::-1]


# %% wrong="order" why="waits for children that the end does not depend on" says="somebody still waits"
def topological_order(end, parents):
    uses = Counter(p for node in parents for p in parents[node])
    uses[end] = 0
    order = [end]
    for node in order:
        for parent in parents[node]:
            uses[parent] -= 1
            if uses[parent] == 0:
                order.append(parent)
    if any(uses.values()):
        raise ValueError("somebody still waits")
    return order


# %% wrong="order" why="finds no cycle: returns what it has" says="Who still waits"
def topological_order(end, parents):
    uses, stack = Counter([end]), [end]
    while stack:
        for parent in parents[stack.pop()]:
            if not uses[parent]:
                stack.append(parent)
            uses[parent] += 1
    order = [end]
    for node in order:
        for parent in parents[node]:
            uses[parent] -= 1
            if uses[parent] == 0:
                order.append(parent)
    return order


# %% wrong="order" why="counts a parent that is used twice once, but crosses it off twice" says="before one of its children"
def topological_order(end, parents):
    uses, stack = Counter(), [end]
    while stack:
        for parent in set(parents[stack.pop()]):
            if not uses[parent]:
                stack.append(parent)
            uses[parent] += 1
    order = [end] if not uses[end] else []
    for node in order:
        for parent in parents[node]:
            uses[parent] -= 1
            if uses[parent] == 0:
                order.append(parent)
    if any(n > 0 for n in uses.values()):
        raise ValueError("a cycle")
    return order


# %% wrong="order" why="goes down every path: exponential time" says="reads of"
def topological_order(end, parents):
    stack, depth = [(end, 0)], {}
    while stack:
        node, steps = stack.pop()
        depth[node] = max(steps, depth.get(node, 0))
        if steps > len(parents):
            raise ValueError("a cycle")
        stack += [(parent, steps + 1) for parent in parents[node]]
    return sorted(depth, key=depth.get)


# %% right="order" why="depth first with a stack of its own; parents are finished first"
def topological_order(end, parents):
    state, order, stack = {end: "open"}, [], [(end, iter(parents[end]))]
    while stack:
        node, above = stack[-1]
        for parent in above:
            if state.get(parent) == "open":
                raise ValueError(f"{parent} is part of a cycle")
            if parent not in state:
                state[parent] = "open"
                stack.append((parent, iter(parents[parent])))
                break
        else:
            state[node] = "finished"
            order.append(node)
            stack.pop()
    return order[::-1]


# %% [markdown]
# ## Question 5 · A primitive of your own
# ★★ · 20 minutes · 4 points
#
# A language model gives each of $V$ words a score $s_w$ and wants log-probabilities,
#
# $$\ell_w = s_w - \log \sum_{k=1}^{V} e^{s_k} \tag{4}$$
#
# Composed of `exp`, `sum`, `log` and `-` this overflows, and each call leaves four nodes in the
# graph. Make it **one primitive** of `helpers.autodiff`, for arrays of any number of axes. The sum runs
# over the last one.
#
# Inside a primitive everything is plain NumPy (`np`). In its rule write the traced NumPy (`anp`,
# with the same functions): the engine may want to differentiate the rule, for second derivatives.
# Use neither `logsumexp` nor `logaddexp` in the rule: all that you need is in `g` and `ans`.
#
# <details><summary>Hint 1</summary>
#
# From (4), $\partial \ell_w / \partial s_k = [w = k] - p_k$, where $p_k$ is the probability of word
# $k$. Multiply by $g_w$ and sum over $w$. How do you get $p_k$ from `ans`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Subtracting the largest score of each row from its scores changes no probability. Each row has its
# own largest score and its own sum: keep the axis (`keepdims`).
#
# </details>


# %% answer="primitive"
@primitive
def log_softmax(scores):
    """The log-probabilities (4) along the last axis.

    Args:
        scores: (..., V) floats, perhaps in the thousands.

    Returns:
        (..., V) floats; the exp of each row sums to 1.

    Example: equal scores -> -log V everywhere
    """
    # BEGIN SOLUTION
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    # END SOLUTION


def log_softmax_rule(g, ans, scores):
    """The gradient with respect to scores, (..., V); written with anp."""
    # BEGIN SOLUTION
    return g - anp.exp(ans) * anp.sum(g, axis=-1, keepdims=True)
    # END SOLUTION


defvjp(log_softmax, log_softmax_rule)


# %% check="primitive" part="values" points=1
with check("Log-probabilities: scores of shape (5,), (3, 4), and up to 3,000") as c:
    rng = np.random.default_rng(61)
    for shape, size in [((5,), 1), ((3, 4), 2), ((4, 2), 1500)]:
        scores = size * rng.normal(size=shape)
        c.close(
            f"scores around {size}",
            log_softmax(scores),
            torch.log_softmax(torch.tensor(scores), -1).numpy(),
            hint="What is np.exp of the largest score? Which axis holds the words? "
            "Are the scores of one row large and those of the next small?",
        )

# %% check="primitive" part="gradient" points=1
with check("Gradients of weighted sums, four shapes; the last scores are large") as c:
    rng = np.random.default_rng(62)
    for shape, size in [((4,), 1), ((3, 5), 1), ((2, 3, 4), 1), ((2, 3), 1000)]:
        scores, weights = size * rng.normal(size=shape), rng.normal(size=shape)
        got = autodiff.grad(lambda s, w: anp.sum(w * log_softmax(s)))(scores, weights)
        (want,) = torch_rules(lambda s: torch.log_softmax(s, -1), weights, scores)
        c.close(
            f"scores of shape {shape}",
            got,
            want,
            hint="Each score moves every log-probability of its row, none of others.",
        )

# %% check="primitive" part="second" points=1
with check("Second derivatives: the Hessian of a squared length, at four scores") as c:
    scores = np.random.default_rng(63).normal(size=4)
    got = autodiff.hessian(lambda s: anp.sum(log_softmax(s) ** 2))(scores)
    want = torch.autograd.functional.hessian(
        lambda s: (torch.log_softmax(s, -1) ** 2).sum(), torch.tensor(scores)
    )
    c.close(
        "Hessian", got, want.numpy(), hint="Is every function in the rule from anp?"
    )
    check_grads(log_softmax, np.random.default_rng(64).normal(size=(2, 3)))

# %% check="primitive" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Bigger arrays; a Hessian-vector product") as c:
    rng = np.random.default_rng(65)
    scores, weights = 900 * rng.normal(size=(4, 1, 7)), rng.normal(size=(4, 1, 7))
    want = torch.log_softmax(torch.tensor(scores), -1).numpy()
    before = scores.copy()
    c.close("values", log_softmax(scores), want)
    c.close("the scores are what they were", scores, before)
    weights = rng.normal(size=(2, 3, 2, 4))
    for shift in (0.0, -800.0, 5000.0):
        scores = shift + rng.normal(size=weights.shape)
        got = autodiff.grad(lambda s: anp.sum(weights * log_softmax(s)))(scores)
        (want,) = torch_rules(lambda s: torch.log_softmax(s, -1), weights, scores)
        c.close("gradient", got, want, rtol=1e-5)
    s, v = rng.normal(size=(2, 6))
    product = autodiff.hessian_vector_product(lambda s: anp.sum(log_softmax(s) ** 3))
    H = torch.autograd.functional.hessian(
        lambda s: (torch.log_softmax(s, -1) ** 3).sum(), torch.tensor(s)
    )
    c.close("Hessian times a vector", product(s, v), H.numpy() @ v)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# $\bar s_k = \sum_w g_w ([w = k] - p_k) = g_k - p_k \sum_w g_w$. The Jacobian of a row is
# $V \times V$, but the rule needs one sum and one product. If the loss is $-\ell_o$, then $g$ is
# $-1$ at $o$ and 0 elsewhere, and the rule gives $p - [w = o]$: the error that you derived by hand
# for word2vec.
#
# A rule with plain `np.exp` works for `grad` and fails for `hessian`. There `ans` is traced, since
# the backward pass is itself a program that gets differentiated.


# %% wrong="primitive" why="only the diagonal of the Jacobian" says="Each score moves every"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g * (1 - anp.exp(ans))


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="the rule of the usual loss, where g sums to one" says="Each score moves every"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g - anp.exp(ans)


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="the rule sums over all rows" says="none of others"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g - anp.exp(ans) * anp.sum(g)


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="overflows on large scores" says="nan or infinite"
@primitive
def log_softmax(scores):
    with np.errstate(all="ignore"):
        return np.log(np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g - anp.exp(ans) * anp.sum(g, axis=-1, keepdims=True)


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="one largest score for all rows: the other rows vanish" says="those of the next small"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max()
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g - anp.exp(ans) * anp.sum(g, axis=-1, keepdims=True)


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="plain NumPy in the rule: no second derivatives" says="TypeError"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_rule(g, ans, scores):
    return g - np.exp(ans) * np.sum(g, axis=-1, keepdims=True)


defvjp(log_softmax, log_softmax_rule)


# %% wrong="primitive" why="normalises over the first axis" says="Which axis holds the words"
@primitive
def log_softmax(scores):
    shifted = scores - scores.max(axis=0)
    return shifted - np.log(np.exp(shifted).sum(axis=0))


def log_softmax_rule(g, ans, scores):
    return g - anp.exp(ans) * anp.sum(g, axis=0)


defvjp(log_softmax, log_softmax_rule)


# %% right="primitive" why="by logaddexp, and the rule with einsum"
@primitive
def log_softmax(scores):
    return scores - np.logaddexp.reduce(scores, axis=-1)[..., None]


def log_softmax_rule(g, ans, scores):
    total = anp.einsum("...i->...", g)
    return g - anp.expand_dims(total, -1) * anp.exp(ans)


defvjp(log_softmax, log_softmax_rule)


# %% [markdown]
# ## Question 6 · Catch a wrong rule
# ★★ · 20 minutes · 4 points
#
# You have written rules. Who checks them? Write the function that does. For a function $f$ from
# arrays to arrays, draw random arrays: $g$ of the answer's shape and $u$ of the argument's shape.
# The number $g^{\top} J u$ can be had in two ways, by the rule and by a nudge along $u$:
#
# $$a = (g^{\top} J) \cdot u, \qquad b = g \cdot \frac{f(x + hu) - f(x - hu)}{2h},
# \qquad \text{error} = \frac{|a - b|}{\max(|a|, |b|)} \tag{5}$$
#
# The dots are sums over all products of elements. Take $h = 10^{-5}$, and 0 for the error if
# $a = b = 0$. Repeat with fresh $g$ and $u$ and return the largest error. Two calls of $f$ test all
# elements of $J$ at once, where nudging each element of $x$ would take two for each. Why must both
# arrays be random? Try fixed ones on `shuffle` below.
#
# <details><summary>Hint 1</summary>
#
# `rng.normal(size=shape)`. The answer's shape is `np.shape(fun(x))`, which may be `()`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.sum(p * q)` is the dot product of arrays of any shape.
#
# </details>

# %%
shuffled = np.array([2, 0, 3, 5, 1, 4])
mixing = np.random.default_rng(70).normal(size=(6, 6))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


rules = {  # name: (function, rule); some rules are wrong
    "tanh 1": (np.tanh, lambda g, ans, x: g * (1 - ans**2)),
    "tanh 2": (np.tanh, lambda g, ans, x: g * (1 - x**2)),
    "softmax 1": (softmax, lambda g, ans, x: g * ans * (1 - ans)),
    "softmax 2": (softmax, lambda g, ans, x: ans * (g - np.sum(g * ans))),
    "shuffle 1": (lambda x: x[shuffled], lambda g, ans, x: g[shuffled]),
    "shuffle 2": (lambda x: x[shuffled], lambda g, ans, x: g[np.argsort(shuffled)]),
    "mixing 1": (lambda x: mixing @ x, lambda g, ans, x: mixing @ g),
    "mixing 2": (lambda x: mixing @ x, lambda g, ans, x: mixing.T @ g),
    "length 1": (np.linalg.norm, lambda g, ans, x: g * x / ans),
    "length 2": (np.linalg.norm, lambda g, ans, x: 2 * g * x),
    "wave 1": (lambda x: np.sin(20 * x), lambda g, ans, x: 20 * g * np.cos(20 * x)),
    "wave 2": (lambda x: np.sin(20 * x), lambda g, ans, x: 20.2 * g * np.cos(20 * x)),
}


# %% answer="checker"
def rule_error(fun, rule, x, rng, trials=5):
    """The largest error (5) of a rule, over random directions.

    Args:
        fun: takes an array of x's shape, returns an array or a number.
        rule: called as rule(g, ans, x), with ans = fun(x); returns an array like x.
        x: float array, where to test. It must stay as it is.
        rng: a NumPy Generator, the only source of randomness.
        trials: how many pairs (g, u) to try.

    Returns:
        A number: tiny if the rule is right, often near 1 if it is wrong.
    """
    # BEGIN SOLUTION
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)
    # END SOLUTION


# %%
def verdict(error):
    """right below 1e-4, wrong above 1e-3; between them nobody can say."""
    return "right" if error < 1e-4 else "wrong" if error > 1e-3 else "can't say"


def verdicts(rules, x, seed, trials=5):
    """Your verdict on each rule."""
    rng = np.random.default_rng(seed)
    return {
        name: verdict(rule_error(fun, rule, x, rng, trials))
        for name, (fun, rule) in rules.items()
    }


def truth(rules, x):
    """The verdicts by brute force: every element of the Jacobian."""
    found = {}
    for name, (fun, rule) in rules.items():
        J = np.atleast_2d(approx_fprime(x, fun, 1e-7))
        seeds = np.eye(len(J)) if np.ndim(fun(x)) else np.ones(1)
        rows = [rule(g, fun(x), x) for g in seeds]
        error = np.abs(rows - J).max() / max(np.abs(J).max(), 1e-300)
        found[name] = "right" if error < 1e-4 else "wrong"
    return found


def scaled(fun, rule, size, factor):
    """size times fun; and for its rule, factor times the right one if rule is right."""
    return (
        lambda x: size * fun(x),
        lambda g, ans, x: factor * size * rule(g, ans / size, x),
    )


# %%
def watched_exp(weights, points):
    """exp and its rule; both keep what they get. The rule's second call is wrong."""

    def fun(x):
        points.append(x.tobytes())
        return np.exp(x)

    def rule(g, ans, x):
        weights.append(g.tobytes())
        return g * ans * (2.6 if len(weights) == 2 else 1)

    return fun, rule


# %% check="checker" part="gallery" points=1
with check("The twelve rules above, at a random array of length 6") as c:
    x = np.random.default_rng(71).normal(size=6)
    before, want = x.copy(), truth(rules, x)
    for name, found in verdicts(rules, x, 72).items():
        c.equal(
            name, found, want[name], hint="Compare your a and your b for this rule."
        )
    c.equal("x is what it was", x, before)

# %% check="checker" part="scales" points=2 tags=["rtol=1e-3"]
with check("tanh at four sizes, its rule times a random factor: errors") as c:
    rng = np.random.default_rng(73)
    x, factors = rng.normal(size=(2, 3)), rng.uniform(0.4, 2.5, size=4)
    for size, factor in zip((1e-9, 1e-3, 1.0, 1e9), factors, strict=True):
        fun, rule = scaled(*rules["tanh 1"], size, factor)
        error = rule_error(fun, rule, x, np.random.default_rng(74))
        c.close(
            f"factor {factor:.3f}, size {size:g}",
            error,
            abs(factor - 1) / max(factor, 1),
            rtol=1e-3,
            hint="The error (5) is the same for any size and any direction. Why?",
        )
with check("A constant, and a mistake in one of 24 places") as c:
    x = np.random.default_rng(75).normal(size=24)
    but_one = np.r_[np.ones(23), 1.5]
    harder = {
        "constant 1": (np.ones_like, lambda g, ans, x: 0 * g),
        "constant 2": (np.ones_like, lambda g, ans, x: g),
        "place 1": (lambda x: x**3, lambda g, ans, x: 3 * g * x**2),
        "place 2": (lambda x: x**3, lambda g, ans, x: 3 * g * x**2 * but_one),
    }
    want = truth(harder, x)
    for name, found in verdicts(harder, x, 79, trials=20).items():
        c.equal(name, found, want[name], hint="All places of x? 0 divided by 0?")

# %% check="checker" part="hidden" points=1 tags=["rtol=1e-3"]
# BEGIN HIDDEN TESTS
with check("Eight more rules, at another array") as c:
    x = np.random.default_rng(76).uniform(0.3, 1.5, size=7)
    more = {
        "exp a": (np.exp, lambda g, ans, x: g * ans),
        "exp b": (np.exp, lambda g, ans, x: g * x),
        "cumsum a": (np.cumsum, lambda g, ans, x: np.cumsum(g)),
        "cumsum b": (np.cumsum, lambda g, ans, x: np.cumsum(g[::-1])[::-1]),
        "product a": (np.prod, lambda g, ans, x: g * ans / x),
        "product b": (np.prod, lambda g, ans, x: g * ans * x),
        "roll a": (lambda x: np.roll(x, 2), lambda g, ans, x: np.roll(g, 2)),
        "roll b": (lambda x: np.roll(x, 2), lambda g, ans, x: np.roll(g, -2)),
    }
    want = truth(more, x)
    for name, found in verdicts(more, x, 77).items():
        c.equal(name, found, want[name])
    for size, factor in [(1e-7, 1.371), (1e6, 0.643), (1e-20, 1.731)]:
        fun, rule = scaled(*more["exp a"], size, factor)
        error = rule_error(fun, rule, x, np.random.default_rng(78))
        c.close("error", error, abs(factor - 1) / max(factor, 1), rtol=1e-3)
with check("A rule that is wrong on its second call only; your draws") as c:
    drawn = []
    for seed, trials in [(87, 9), (87, 9), (88, 6)]:
        weights, points = [], []
        fun, rule = watched_exp(weights, points)
        error = rule_error(fun, rule, x, np.random.default_rng(seed), trials)
        c.close("the largest error", error, 1.6 / 2.6, rtol=1e-3)
        nudged = set(points) - {x.tobytes()}
        counts = [len(set(weights)), len(nudged)]
        c.equal("different g, nudged x", counts, [trials, 2 * trials])
        drawn.append(set(weights))
    shared = [len(drawn[0] & drawn[1]), len(drawn[0] & drawn[2])]
    c.equal("g shared by equal seeds, by others", shared, [9, 0])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# With $g$ all ones, `shuffle 1` passes: both ways just sum. With $u$ all ones it passes, too. The
# wrong rule for softmax is right in every diagonal element, and the wrong rule of one place in 24
# is right in all but one. A random direction mixes all elements with random weights, so a mistake
# has nowhere to hide. It cancels exactly with probability zero. It may come out *small*, and that is
# what the repetitions are for.
#
# The error must be relative. An error of $10^{-9}$ is nothing for a gradient of 1 and everything
# for a gradient of $10^{-9}$. And one-sided nudges would accuse `wave 1`, which bends too much for
# them. A rule that is wrong by one factor $k$ has the same error in every direction,
# $|k - 1| / \max(k, 1)$: both ways give numbers in the ratio $k$.


# %% wrong="checker" why="an absolute error: blind to tiny gradients, harsh to huge ones" says="the same for any size"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        errors.append(abs(a - b))
    return max(errors)


# %% wrong="checker" why="sums the answer: g is all ones" says="shuffle 1: expected 'wrong'"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = np.ones(np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(fun(x + h * u) - fun(x - h * u)) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% wrong="checker" why="nudges all places alike: u is all ones" says="shuffle 1: expected 'wrong'"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g = rng.normal(size=np.shape(ans))
        a = np.sum(rule(g, ans, x))
        b = np.sum(g * (fun(x + h) - fun(x - h))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% wrong="checker" why="one-sided differences" says="wave 1: expected 'right'"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - ans)) / h
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% wrong="checker" why="divides 0 by 0 for a constant" says="constant 1: expected 'right'"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        with np.errstate(invalid="ignore"):
            errors.append(abs(a - b) / max(abs(a), abs(b)))
    return max(errors)


# %% wrong="checker" why="nudges only the first place" says="place 2: expected 'wrong'"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), np.zeros(x.shape)
        u.flat[0] = 1
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% wrong="checker" why="the mean of the errors, not the largest" says="the largest error"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return np.mean(errors)


# %% wrong="checker" why="draws g and u once" says="different g"
def rule_error(fun, rule, x, rng, trials=5):
    h, ans, errors = 1e-5, fun(x), []
    g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
    for _ in range(trials):
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% wrong="checker" why="a generator of its own" says="g shared by equal seeds"
def rule_error(fun, rule, x, rng, trials=5):
    rng = np.random.default_rng(0)
    h, ans, errors = 1e-5, fun(x), []
    for _ in range(trials):
        g, u = rng.normal(size=np.shape(ans)), rng.normal(size=x.shape)
        a = np.sum(rule(g, ans, x) * u)
        b = np.sum(g * (fun(x + h * u) - fun(x - h * u))) / (2 * h)
        scale = max(abs(a), abs(b))
        errors.append(abs(a - b) / scale if scale else 0.0)
    return max(errors)


# %% right="checker" why="unit directions, dot products, draws in another order"
def rule_error(fun, rule, x, rng, trials=5):
    h, worst = 1e-5, 0.0
    for _ in range(trials):
        u = rng.normal(size=x.shape)
        u /= np.linalg.norm(u)
        change = (np.asarray(fun(x + h * u)) - fun(x - h * u)) / (2 * h)
        g = rng.standard_normal(change.shape)
        pair = [np.vdot(g, change), np.vdot(rule(g, fun(x), x), u)]
        if any(pair):
            worst = max(worst, abs(pair[0] - pair[1]) / np.abs(pair).max())
    return worst


# %% [markdown]
# ## Question 7 · A backward pass that forgets
# ★★★ · 45 minutes · 4 points
#
# A program of $n$ steps takes state $x_0$ to $x_n$, and you want $\bar x_0$ from $\bar x_n$:
#
# $$x_{t+1} = f_t(x_t), \qquad \bar x_t^{\top} = \bar x_{t+1}^{\top} \, \frac{\partial f_t}{\partial x_t}(x_t)
# \qquad t = 0, …, n - 1 \tag{6}$$
#
# This is a network that reads $n$ words. The rule of step $t$ needs $x_t$, and the rules run from
# the last to the first. So the usual backward pass keeps all the states. **Checkpointing** keeps
# some and computes the others again when their turn comes. Memory is paid for with time.
#
# The class below measures both: how often you evaluate a step, and how many states are *alive* at
# once, including the first one and the one just being made. A state dies when no variable, list or
# argument holds it any more.


# %%
class State:
    """What a program knows between two steps. Its program notices when it is gone."""

    def __init__(self, program, x):
        self.program, self._x = program, x
        program.alive += 1
        program.peak = max(program.peak, program.alive)

    x = property(lambda self: self._x)  # to read, not to replace

    def __del__(self):
        self.program.alive -= 1


class Program:
    """n steps of twenty numbers, each step with an input of its own."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.W, self.inputs = rng.normal(size=(20, 20)) / 5, rng.normal(size=(n, 20))
        self.n = n
        self.evaluations = self.rules = self.alive = self.peak = 0
        self.start = State(self, rng.normal(size=20))

    def forward(self, t, state):
        """State t + 1 from state t. Counts as one evaluation."""
        self.evaluations += 1
        if self.evaluations > 50 * self.n:
            raise RuntimeError(f"{self.evaluations:,} evaluations for {self.n:,} steps")
        return State(self, state.x + 0.1 * np.tanh(self.W @ state.x + self.inputs[t]))

    def backward(self, t, state, gradient):
        """The gradient for state t, from state t and the gradient for state t + 1."""
        if not isinstance(state, State):
            raise TypeError(f"backward takes a State, not a {type(state).__name__}")
        self.rules += 1
        slope = 1 - np.tanh(self.W @ state.x + self.inputs[t]) ** 2
        return gradient + 0.1 * self.W.T @ (slope * gradient)


# %% [markdown]
# Here is the pass that keeps everything. It evaluates each step once, and nobody is faster.


# %%
def keep_all(program, gradient, memory):
    states = [program.start]
    for t in range(program.n - 1):
        states.append(program.forward(t, states[-1]))
    for t in reversed(range(program.n)):
        gradient = program.backward(t, states.pop(), gradient)
    return gradient


program = Program(400, seed=80)
keep_all(program, np.ones(20), memory=400)
print(f"{program.evaluations} evaluations, {program.peak} states alive at once")

# %% [markdown]
# Write one that gets by with `memory` states, and needs few evaluations. What must it reach?
#
# | steps | memory | evaluations, at most | points |
# |---|---|---|---|
# | 400 | 50 | 800, two a step | 1 |
# | 400 | 16 | 2,000, five a step | 2 |
# | others (hidden) | 16 or 18 | six a step | 1 |
#
# Apply each rule exactly once. Handle states through `forward` and `backward` only: who copies the
# numbers out of a state deceives the meter, not the computer's memory.
#
# *Ungraded, the investigation:* run `draw_tradeoff(your function)`, which draws evaluations against
# memory. What is the least number of evaluations for $s$ states? Derive it, or beat your first
# plan. Then defend a plan in a paragraph: a network reads 10,000 words, there is room for 100
# states, and a step takes a millisecond.
#
# <details><summary>Hint 1</summary>
#
# For the first row: keep every twentieth state on the way. Then take the stretches from the last to
# the first, and compute the states inside one stretch again. How large may a stretch be?
#
# </details>
# <details><summary>Hint 2</summary>
#
# For the second row: go to the middle and keep that state. What is left are two smaller problems of
# the same kind, and the second half comes first. How deep does that go, and how often is each step
# evaluated?
#
# </details>


# %% answer="checkpoints"
def chain_gradient(program, gradient, memory):
    """The gradient for the first state, with at most `memory` states alive at once.

    Args:
        program: a Program that has not run yet.
        gradient: (20,) floats, the gradient for the last state, x_n.
        memory: how many states may be alive at once, at least 16.

    Returns:
        (20,) floats, the gradient for program.start.
    """

    # BEGIN SOLUTION
    def sweep(first, end, state, gradient, free):
        """Take the gradient from x_end to x_first; state is x_first."""
        while end - first > 1:
            middle = first + distance(end - first, free)
            kept = state
            for t in range(first, middle):
                kept = program.forward(t, kept)
            gradient = sweep(middle, end, kept, gradient, free - 1)
            end = middle
        return program.backward(first, state, gradient)

    def distance(steps, free):
        """How far to go before the next state is kept (Griewank 1992)."""
        times = 1
        while comb(free + times, times) < steps:
            times += 1
        longest = comb(free + times - 1, free)  # with one evaluation less of each step
        return min(longest, steps - comb(free + times - 2, free - 1))

    return sweep(0, program.n, program.start, gradient, memory - 2)
    # END SOLUTION


# %%
def torch_chain(program, gradient):
    """The same gradient by PyTorch, which keeps everything."""
    W, inputs = torch.tensor(program.W), torch.tensor(program.inputs)
    start = x = torch.tensor(program.start.x, requires_grad=True)
    for u in inputs:
        x = x + 0.1 * torch.tanh(W @ x + u)
    return torch.autograd.grad(x, start, torch.tensor(gradient))[0].numpy()


def measure(checker, n, memory, evaluations, seed):
    """Run your function on a program of n steps, and hold its costs to the limits."""
    program, gradient = Program(n, seed), np.random.default_rng(seed).normal(size=20)
    got = chain_gradient(program, gradient, memory)
    checker.close(
        f"gradient, n = {n}",
        got,
        torch_chain(program, gradient),
        rtol=1e-6,
        hint="Step t at state t, for every t from the last to the first?",
    )
    costs = {
        "states": (program.peak, memory, "Which variable or list still holds a state?"),
        "evaluations": (program.evaluations, evaluations, "How often is step 0 taken?"),
    }
    for name, (found, limit, hint) in costs.items():
        extra = max(0, found - limit)
        checker.equal(f"{name} above the limit of {limit}", extra, 0, hint=hint)
    missing = max(0, n - 1 - program.evaluations)
    hint = "forward alone makes states, and each but the first has to be made."
    checker.equal("evaluations missing", missing, 0, hint=hint)
    checker.equal("rules applied", program.rules, n, hint="Each rule runs once.")


# %%
def draw_tradeoff(fun, n=400):
    """Draw what fun needs, for a chain of n steps and several memories."""
    programs = []
    for memory in np.geomspace(16, n, 25).astype(int).tolist():
        programs.append(Program(n, seed=81))
        fun(programs[-1], np.ones(20), memory)
    peaks = [program.peak for program in programs]
    plt.plot(peaks, [program.evaluations / n for program in programs], "o-")
    plt.gca().set(xlabel="states alive at once", ylabel="evaluations of a step")
    plt.xscale("log")
    ticks = [peaks[i] for i in (0, 4, 8, 12, 16, 20, 24)]
    plt.xticks(ticks, ticks)
    plt.minorticks_off()
    plt.show()


# %% check="checkpoints" part="root" points=1 tags=["rtol=1e-3"]
with check("400 steps, 50 states") as c:
    measure(c, n=400, memory=50, evaluations=800, seed=82)

# %% check="checkpoints" part="few" points=2 tags=["rtol=1e-3"]
with check("400 steps, 16 states") as c:
    measure(c, n=400, memory=16, evaluations=2000, seed=83)

# %% check="checkpoints" part="hidden" points=1 tags=["rtol=1e-3"]
# BEGIN HIDDEN TESTS
with check("1, 37 and 1,000 steps") as c:
    measure(c, n=1, memory=16, evaluations=1, seed=84)
    measure(c, n=37, memory=16, evaluations=148, seed=85)
    measure(c, n=1000, memory=18, evaluations=6000, seed=86)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# **Every $\sqrt n$-th state** costs $2 \sqrt n$ memory and two evaluations a step (Chen et al.
# 2016). **Halving** costs $\log_2 n$ memory and about $\tfrac12 \log_2 n$ evaluations a step. The
# best plan does both jobs. If $s$ states may be kept, the first among them, and every step may be
# evaluated at most $t$ times, then the longest possible chain has
#
# $$n = \binom{s + t}{s}$$
#
# steps (Griewank 1992). Here is why. The next state to keep stands at the end of a stretch, whose
# steps have now been evaluated once. That stretch comes last, with $s$ states and $t - 1$
# evaluations. What follows it comes first, with one state fewer. And
# $\binom{s + t - 1}{s} + \binom{s + t - 1}{s - 1} = \binom{s + t}{s}$. `distance` reads that
# backwards, and makes the stretch as long as it may be: its steps come off cheaper. Two of the
# states in memory are the one that moves and the one being made. So a memory of 16 leaves $s = 14$,
# which reach 680 steps with $t = 3$.
#
# *In defence of it:* for 10,000 words and 100 states, $s = 98$. With $t = 2$ they reach 4,950 steps,
# with $t = 3$ as many as 166,650. No step is evaluated more than three times, and on average it is
# 2.5 times: 25 seconds instead of 10, for a hundredth of the memory. The square root's plan would
# need 200 states.
#
# There is a way to keep no states at all: **forward mode** carries $\partial x_t / \partial x_0$
# along with $x_t$. But that is a 20 by 20 matrix, and each step applies its rule 20 times. With a
# thousand numbers in a state, nobody would.

# %% tags=["solution"]
draw_tradeoff(chain_gradient)

# %% [markdown] tags=["solution"]
# The picture shows evaluations of a step against memory. It falls steeply at first: from 16 to 30
# states, the price drops from 2.7 evaluations to 1.9. After that, memory buys little until nearly
# all 400 states fit.


# %% wrong="checkpoints" why="keeps everything" says="still holds a state"
def chain_gradient(program, gradient, memory):
    states = [program.start]
    for t in range(program.n - 1):
        states.append(program.forward(t, states[-1]))
    for t in reversed(range(program.n)):
        gradient = program.backward(t, states[t], gradient)
    return gradient


# %% wrong="checkpoints" why="keeps nothing: starts from the beginning for every step" says="20,001 evaluations for 400 steps"
def chain_gradient(program, gradient, memory):
    for t in reversed(range(program.n)):
        state = program.start
        for earlier in range(t):
            state = program.forward(earlier, state)
        gradient = program.backward(t, state, gradient)
    return gradient


# %% wrong="checkpoints" why="never lets go of the stretches that are done" says="still holds a state"
def chain_gradient(program, gradient, memory):
    states = {0: program.start}
    state = program.start
    for t in range(program.n - 1):
        state = program.forward(t, state)
        if (t + 1) % 20 == 0:
            states[t + 1] = state
    for t in reversed(range(program.n)):
        if t not in states:
            for s in range(t // 20 * 20, t):
                states[s + 1] = program.forward(s, states[s])
        gradient = program.backward(t, states[t], gradient)
    return gradient


# %% wrong="checkpoints" why="the rule of step t gets the state after step t" says="Step t at state t"
def chain_gradient(program, gradient, memory):
    def sweep(first, end, state, gradient):
        if end - first == 1:
            return program.backward(first, program.forward(first, state), gradient)
        middle, kept = (first + end) // 2, state
        for t in range(first, middle):
            kept = program.forward(t, kept)
        return sweep(first, middle, state, sweep(middle, end, kept, gradient))

    return sweep(0, program.n, program.start, gradient)


# %% wrong="checkpoints" why="takes the first half before the second" says="Step t at state t"
def chain_gradient(program, gradient, memory):
    def sweep(first, end, state, gradient):
        if end - first == 1:
            return program.backward(first, state, gradient)
        middle, kept = (first + end) // 2, state
        for t in range(first, middle):
            kept = program.forward(t, kept)
        return sweep(middle, end, kept, sweep(first, middle, state, gradient))

    return sweep(0, program.n, program.start, gradient)


# %% wrong="checkpoints" why="forward mode: no memory, but twenty rules a step" says="Each rule runs once"
def chain_gradient(program, gradient, memory):
    jacobian, state = np.eye(20), program.start
    for t in range(program.n):
        step = np.array([program.backward(t, state, row) for row in np.eye(20)])
        jacobian = step @ jacobian
        state = program.forward(t, state)
    return gradient @ jacobian


# %% wrong="checkpoints" why="computes the states itself, past the meter" says="forward alone makes states"
def chain_gradient(program, gradient, memory):
    states = [program.start.x]
    for u in program.inputs[:-1]:
        states.append(states[-1] + 0.1 * np.tanh(program.W @ states[-1] + u))
    for t in reversed(range(program.n)):
        gradient = program.backward(t, State(program, states[t]), gradient)
    return gradient


# %% right="checkpoints" why="square root where it fits, else halving"
def chain_gradient(program, gradient, memory):
    def run(state, first, end):
        for t in range(first, end):
            state = program.forward(t, state)
        return state

    def halve(first, end, state, gradient):
        if end - first == 1:
            return program.backward(first, state, gradient)
        middle = (first + end) // 2
        gradient = halve(middle, end, run(state, first, middle), gradient)
        return halve(first, middle, state, gradient)

    size = int(np.ceil(np.sqrt(program.n)))
    if memory < 2 * size + 4:
        return halve(0, program.n, program.start, gradient)
    firsts = list(range(0, program.n, size))
    kept = [program.start]
    for first in firsts[1:]:
        kept.append(run(kept[-1], first - size, first))
    for first, end in reversed(
        list(zip(firsts, [*firsts[1:], program.n], strict=True))
    ):
        states = [kept.pop()]
        for t in range(first, end - 1):
            states.append(program.forward(t, states[-1]))
        for t in reversed(range(first, end)):
            gradient = program.backward(t, states.pop(), gradient)
    return gradient


# %% [markdown]
# ## What you have built
#
# An engine of numbers, rules for arrays, an order that works for any graph, a primitive with second
# derivatives, a judge of rules, and a backward pass that trades time for memory. The same parts,
# under other names, stand in PyTorch and JAX. In the next lectures you use them and no longer think
# of them. That is what engines are for.
#
# **References.**
# [Griewank & Walther 2008](https://doi.org/10.1137/1.9780898717761), the textbook ·
# [Press et al. 2007](https://numerical.recipes), *Numerical Recipes*, third edition, the nudge ·
# [Kahn 1962](https://doi.org/10.1145/368996.369025), the order ·
# [Griewank 1992](https://doi.org/10.1080/10556789208805505), the best checkpoints ·
# [Chen et al. 2016](https://arxiv.org/abs/1604.06174), every $\sqrt n$-th state.
