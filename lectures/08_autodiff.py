# %% [markdown]
# # 08 · Automatic differentiation: the gradient of a program
#
# **The question.** A program computes a loss from a million parameters. Which way should each of
# them move? Must you derive a formula by hand, as in lecture 03?
#
# **The answer of this lecture.** No, if the program is built of differentiable primitives. Write
# down what it does while it runs, then walk through the record backwards. All derivatives come
# out, exact to rounding, for the price of a few runs.
#
# By the end you can build such an engine in 40 lines of Python, say what every line is for, train
# a network with it, and read the course's own `helpers.autodiff`.
#
# *You need* NumPy, the chain rule, and the gradients of lecture 03. *It takes* about 20 seconds on
# two CPU cores, and an hour of yours.

# %%
import inspect
import tracemalloc
from collections import Counter
from functools import partial, wraps
from timeit import repeat
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import sympy
import torch
from sklearn.datasets import make_moons

from helpers import autodiff, plots
from helpers.device import seed_everything

rng = seed_everything(8)
plots.use_style()

# %% [markdown]
# ## 1 · What it is not: nudging
#
# Take the smallest program that learns, one neuron and one example $(x, t)$:
#
# $$z = wx + b, \qquad y = \sigma(z) = \frac{1}{1 + e^{-z}}, \qquad L = \tfrac12 (y - t)^2 \tag{1}$$
#
# Let $x = \tfrac12,\; t = 1,\; w = 2,\; b = -1$. Do it by hand once: $z = 0$, $y = \tfrac12$,
# $L = \tfrac18$. By the chain rule
#
# $$\frac{\partial L}{\partial w} = (y - t) \cdot y(1 - y) \cdot x = -\tfrac12 \cdot \tfrac14 \cdot \tfrac12 = -\tfrac1{16}$$
#
# The lazy way is to nudge $w$ and see what happens. These are **finite differences**, one-sided
# and two-sided:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w)}{h}
# \qquad \frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h} \tag{2}$$
#
# **Predict before you run.** A derivative is the limit for $h \to 0$. So which $h$ is best:
# $10^{-2}$, $10^{-8}$ or $10^{-15}$?

# %%
x, t = 0.5, 1.0


def plain_loss(w, b):
    y = 1 / (1 + np.exp(-(w * x + b)))
    return 0.5 * (y - t) ** 2


h = 10.0 ** np.arange(-16, 0.5, 0.25)
one_sided = (plain_loss(2 + h, -1) - plain_loss(2, -1)) / h
two_sided = (plain_loss(2 + h, -1) - plain_loss(2 - h, -1)) / (2 * h)

# %% [markdown]
# The picture shows the relative error against $h$: two curves like the letter V. From right to
# left they fall, as the formula gets better. Then they rise, because $L(w + h)$ and $L(w)$ agree in
# nearly all of their 16 digits, and the subtraction leaves noise.

# %%
fig, ax = plt.subplots()
for name, slope, marker in [
    ("one-sided", one_sided, "o"),
    ("two-sided", two_sided, "s"),
]:
    error = np.abs(slope / (-1 / 16) - 1)
    ax.loglog(h, error, marker=marker, markersize=4, lw=1, label=name)
    assert 1e-10 < h[error.argmin()] < 1e-3
ax.set(xlabel="nudge h", ylabel="relative error", ylim=(1e-13, 10))
ax.text(1e-12, 1e-2, "too small: rounding", color="0.3")
ax.text(1e-3, 1e-11, "too large:\nthe curve bends", color="0.3")
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# Of the three, $10^{-8}$: the middle one. One-sided, the best $h$ is near $10^{-8}$; two-sided, near
# $10^{-5}$. Even the best nudge loses about five digits of sixteen. And each parameter needs a nudge of its own.
#
# **Predict before you run.** A small model as in lecture 03: 20,000 words, two vectors of 100 numbers
# each, and a loss that takes a millisecond. How long does *one* gradient take?

# %%
parameters = 20_000 * 2 * 100
print(f"{parameters:,} parameters: {parameters * 1e-3 / 3600:.1f} hours a gradient")

# %% [markdown]
# ## 2 · What it is not: formulas
#
# A computer algebra system differentiates a formula into a formula. That is exact. But a formula has
# no names for intermediate results: what is used twice is written twice. And a product becomes a sum
# of two products, each with copies of the factors. Repeat $v \leftarrow v \tanh(wv)$, three
# operations a step, and let SymPy differentiate.
#
# **Predict before you run.** Two more steps add six operations to the program. What do they do to
# the formula of $v$, and to that of its derivative?

# %%
w_symbol, v_symbol = sympy.symbols("w v")
for repeats in [2, 4, 6, 8]:
    v = v_symbol
    for _ in range(repeats):
        v = v * sympy.tanh(w_symbol * v)
    formula, slope = sympy.count_ops(v), sympy.count_ops(sympy.diff(v, w_symbol))
    print(f"program: {3 * repeats:2}   formula: {formula:3}   derivative: {slope:6,}")

# %% [markdown]
# $v$ appears twice a step, so written out, the formula alone about doubles each step: four or five times
# longer for two. The product rule adds more: the derivative gets six to eleven times longer. That is
# **expression swell**. Sharing is what is lost. And a program with loops, branches and
# arrays is no formula to begin with.
#
# *Automatic* differentiation is neither. It applies the chain rule to the *numbers* of one run, and
# computes each shared piece once.
#
# ## 3 · A program is a list of primitives
#
# Whatever your program does, in the end it calls a few basic functions: add, multiply, exp. Call
# them **primitives**. Spelled out in primitives, (1) is
#
# $$p = wx, \quad z = p + b, \quad y = \sigma(z), \quad e = y - t, \quad q = \tfrac12 e, \quad L = qe \tag{3}$$
#
# To **trace** a run is to write down each call as a **node**: the value, the primitive, its
# arguments, and its **parents**, the nodes that the arguments came from (Wengert 1964).


# %%
class Node:
    """One step of the run: value = fun(*args). An input has no fun and no parents."""

    def __init__(self, value, fun=None, args=(), parents=()):
        self.value, self.fun, self.args, self.parents = value, fun, args, parents


def primitive(fun):
    """Let fun work on nodes: compute as usual, and write down what happened."""

    @wraps(fun)
    def traced(*args):
        parents = [arg if isinstance(arg, Node) else None for arg in args]
        args = [arg.value if isinstance(arg, Node) else arg for arg in args]
        return Node(fun(*args), traced, args, parents)

    return traced


# %% [markdown]
# Give it four primitives. The last lines let a node stand in `w * x + b` like a number.
# `__array_ufunc__ = None` asks NumPy to leave `array * node` to the node. We stop at `+`, `*` and
# `node - something`: `2 - w`, `-w` and `w / 2` raise a `TypeError` here. The course's engine has them all.


# %%
@primitive
def sigma(z):
    return 1 / (1 + np.exp(-z))


add, subtract, multiply = map(primitive, [np.add, np.subtract, np.multiply])

Node.__add__ = Node.__radd__ = add
Node.__mul__ = Node.__rmul__ = multiply
Node.__sub__ = subtract
Node.__array_ufunc__ = None

# %% [markdown]
# **Predict before you run.** Run (3) on the nodes `w` and `b`. How many nodes are there at the end?
# The numbers $x$, $t$ and $\tfrac12$ are constants.

# %%
w, b = Node(2.0), Node(-1.0)
p = w * x
z = p + b
y = sigma(z)
e = y - t
q = 0.5 * e
L = q * e

program = dict(w=w, b=b, p=p, z=z, y=y, e=e, q=q, L=L)
name_of = {node: name for name, node in program.items()}
for name, node in program.items():
    parents = [name_of[parent] for parent in node.parents if parent is not None]
    made_by = f"{node.fun.__name__} of {' and '.join(parents)}" if parents else "input"
    print(f"{name} = {node.value:6.3f}   {made_by}")

# %% [markdown]
# Eight. Nodes and parents make a **graph**, and it grows as you trace. The picture shows seven stages of
# it, left to right. It starts with the inputs $w$ and $b$, and each stage adds one node below with its
# value, until $L = 0.125$. Note that $e$ has two **children**, $q$ and $L$: both use it.

# %%
places = dict(w=(0, 0), b=(1, 1), p=(0, 1), z=(0, 2), y=(0, 3), e=(0, 4), q=(1, 5))
places["L"] = (0, 6)


def film(frames, everything=()):
    """One graph per frame, a frame being {name: number}; what is new is orange."""
    _, axes = plt.subplots(1, len(frames), figsize=(11, 5.2))
    for ax, before, frame in zip(axes, [{}, *frames], frames, strict=False):
        ax.set(xlim=(-0.6, 1.6), ylim=(6.5, -0.5))
        ax.axis("off")
        for name in everything or frame:
            for parent in filter(None, program[name].parents):
                line = places[name_of[parent]], places[name]
                ax.plot(*zip(*line, strict=True), color="0.6", lw=1, zorder=0)
            number = f"{frame[name]:.4g}" if name in frame else ""
            color = "#f5c97a" if frame.get(name) != before.get(name) else "white"
            box = dict(boxstyle="round", facecolor=color, edgecolor="0.6")
            label = f"{name}\n{number}"
            ax.text(*places[name], label, size=10, ha="center", va="center", bbox=box)
    plt.show()


names = list(program)
film([{name: program[name].value for name in names[:k]} for k in range(2, 9)])

# %% [markdown]
# ## 4 · VJPs: what one primitive knows
#
# Write $\bar v = \partial L / \partial v$ for the gradient of the loss with respect to a node's
# value $v$. If $v = f(u_1, u_2, …)$ is the only place that uses $u_i$, the chain rule says
#
# $$\bar u_i^{\top} = \bar v^{\top} \, \frac{\partial v}{\partial u_i} \tag{4}$$
#
# a vector times a Jacobian, hence **vector-Jacobian product**, VJP. For numbers it is a plain
# product. Each primitive gets one rule per argument. A rule receives `g` ($\bar v$), `ans` ($v$), and
# the arguments (`u1`, `u2`: $u_1$, $u_2$).
#
# **Predict before you run.** $\sigma' = \sigma(1 - \sigma)$. Which of `g`, `ans` and `z` does the rule
# of `sigma` need?

# %%
add.vjps = [lambda g, ans, u1, u2: g, lambda g, ans, u1, u2: g]
subtract.vjps = [lambda g, ans, u1, u2: g, lambda g, ans, u1, u2: -g]
multiply.vjps = [lambda g, ans, u1, u2: g * u2, lambda g, ans, u1, u2: g * u1]
sigma.vjps = [lambda g, ans, z: g * ans * (1 - ans)]

print("dy/dz by the rule:", sigma.vjps[0](1.0, y.value, z.value))

# %% [markdown]
# Not `z`: the answer, computed on the way, is used again. $y(1-y) = \tfrac14$, as by hand.
#
# ## 5 · The backward pass: message passing
#
# A node acts on $L$ through all of its children. So let it add up what they send
# (Griewank & Walther 2008, ch. 3):
#
# $$\bar u^{\top} = \sum_{v \,\in\, \text{children}(u)} \bar v^{\top} \, \frac{\partial v}{\partial u} \tag{5}$$
#
# Then it sends one message for each argument that has a parent, the VJP of that sum. This is all that a
# node does:


# %%
def send(node, outgrads):
    """Pull the gradient that has arrived at node back to each of its parents."""
    for i, parent in enumerate(node.parents):
        if parent is not None:
            message = node.fun.vjps[i](outgrads[node], node.value, *node.args)
            outgrads[parent] = outgrads.get(parent, 0.0) + message


# %% [markdown]
# One thing can go wrong. A node that sends before its last child has sent passes on half a gradient.
# So visit the nodes in **topological order**, each after all of its children (Kahn 1962): for each node,
# count the messages still to come, and release it when its count reaches zero.


# %%
def toposort(end):
    """Each node that end depends on, after all of its children."""
    waiting, stack = Counter(), [end]
    while stack:
        for parent in filter(None, stack.pop().parents):
            if not waiting[parent]:
                stack.append(parent)
            waiting[parent] += 1
    ready = [end]
    while ready:
        yield (node := ready.pop())
        for parent in filter(None, node.parents):
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)


# %%
def backward_pass(end):
    """The gradient of end with respect to every node, starting from dL/dL = 1."""
    outgrads = {end: 1.0}
    for node in toposort(end):
        send(node, outgrads)
    return outgrads


# %% [markdown]
# **Predict before you run.** Let $e$ send too early: right after $L$, before $q$. What arrives at $w$,
# instead of $-\tfrac1{16} = -0.0625$?

# %%
early = {L: 1.0}
for node in (L, e, y, z, p):
    send(node, early)
print("too early:", early[w], "  in order:", backward_pass(L)[w])

# %% [markdown]
# Half of the right value, and no error. Order matters.
#
# The picture shows the same graph in seven stages, now with gradients for numbers. They start with 1 at
# $L$, at the bottom, and travel up to $w$ and $b$. Watch $e$: $L$ sends it $-0.25$; it waits; $q$ sends
# another $-0.25$; only then does it send $-0.5$ on to $y$. At the end $\bar w = -\tfrac1{16}$, as by hand.

# %%
outgrads = {L: 1.0}
frames = [{"L": 1.0}]
for node in toposort(L):
    send(node, outgrads)
    frame = {name_of[n]: g for n, g in outgrads.items()}
    if frame != frames[-1]:
        frames.append(frame)
film(frames, everything=names)
assert outgrads == backward_pass(L)

# %% [markdown]
# **Predict before you run.** Double a number thirty times by `x = x + x`. The last node reaches the first
# along $2^{30}$ paths, over a billion, and the derivative is the sum over all of them. How many messages
# does the backward pass send?


# %%
def doubled(x):
    for _ in range(30):
        x = x + x
    return x


start = Node(1.0)
end = doubled(start)
print(f"derivative: {backward_pass(end)[start]:,.0f}")
print("messages:", sum(len(node.parents) for node in toposort(end)))

# %% [markdown]
# Two a step. Adding up *before* sending on keeps the paths from multiplying. What swelled in section 2
# stays small.
#
# What people call is `grad`: wrap the inputs, run, go back. An input that the loss doesn't use gets no
# message: its gradient is zero. With `grad` the engine is complete. The cell also counts its lines, without
# the primitives, their operators and their rules.


# %%
def grad(fun):
    """A function of the same arguments: the gradients with respect to all of them."""

    def gradients(*args):
        inputs = [Node(arg) for arg in args]
        outgrads = backward_pass(fun(*inputs))
        return [outgrads.get(node, 0.0 * node.value) for node in inputs]

    return gradients


def loss(w, b):
    e = sigma(w * x + b) - t
    return 0.5 * e * e


print("∂L/∂w, ∂L/∂b:", *map(float, grad(loss)(2.0, -1.0)))

engine = [Node.__init__, primitive, send, toposort, backward_pass, grad]
lines = "".join(map(inspect.getsource, engine)).splitlines()
code = [line for line in lines if line.strip() and not line.strip().startswith('"""')]
print(1 + len(code), "lines of code, with `class Node:`")
assert 1 + len(code) <= 40

# %% [markdown]
# ## 6 · From numbers to arrays
#
# Nothing in those lines says that a value is a number. Only the *rules* do. Try a bias $b$ of
# shape (3,), added to each of four rows, and sum everything up. Every entry of the sum has slope 1.
#
# **Predict before you run.** What shape must $\bar b$ have, and what shape arrives?

# %%
total = primitive(np.sum)
total.vjps = [lambda g, ans, x: np.broadcast_to(g, np.shape(x))]

rows, bias = rng.normal(size=(4, 3)), rng.normal(size=3)
_, bias_bar = grad(lambda rows, bias: total(rows + bias))(rows, bias)
print("b:", bias.shape, "  what arrives:", bias_bar.shape)

# %% [markdown]
# **Broadcasting** used $b$ four times without saying so. Four uses are four messages, and (5) says to
# add them: sum over every axis that was broadcast. Wrap all six rules in that. The engine stays as
# it is.


# %%
def unbroadcast(g, x):
    """Sum g over the axes along which x was broadcast, back to the shape of x."""
    g = np.sum(g, axis=tuple(range(np.ndim(g) - np.ndim(x))))
    ones = tuple(i for i, size in enumerate(np.shape(x)) if size == 1)
    return np.sum(g, axis=ones, keepdims=True)


def unbroadcasting(vjp, i):
    return lambda g, ans, *args: unbroadcast(vjp(g, ans, *args), args[i])


for fun in (add, subtract, multiply):
    fun.vjps = [unbroadcasting(vjp, i) for i, vjp in enumerate(fun.vjps)]

_, bias_bar = grad(lambda rows, bias: total(rows + bias))(rows, bias)
print("what arrives:", bias_bar.shape, bias_bar)

# %% [markdown]
# For arrays, (4) holds a Jacobian, every output by every input. It is never built. $\tanh$ of $n$
# numbers has an $n \times n$ Jacobian, zero off the diagonal. Its VJP multiplies $n$ numbers by $n$ numbers.
#
# **Predict before you run.** $n = 3000$, eight bytes a number. How many megabytes does each way need?

# %%
tanh = primitive(np.tanh)
tanh.vjps = [lambda g, ans, x: g * (1 - ans * ans)]


def megabytes(way):
    """What way() returns, and the most memory that it held at once."""
    tracemalloc.start()
    result = way()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak / 1e6


g, u = rng.normal(size=(2, 3000))
v = np.tanh(u)
by_jacobian, large = megabytes(lambda: g @ np.diag(1 - v * v))
by_vjp, small = megabytes(lambda: tanh.vjps[0](g, v, u))
assert np.allclose(by_jacobian, by_vjp)
assert small < 0.2, small
print(f"the same numbers: by Jacobian {large:.0f} MB, by VJP below 0.2 MB")

# %% [markdown]
# A matrix product $C = AB$ is worse: both sides are matrices, and its Jacobian has four dimensions.
# Work out (4) index by index, and two matrix products remain (Giles 2008, section 2.2):
#
# $$\bar A = \bar C B^{\top}, \qquad \bar B = A^{\top} \bar C \tag{6}$$
#
# One more primitive: $\log(e^x + e^y)$. It could be composed of others, but $e^{1000}$ overflows.
# `np.logaddexp` doesn't, as the cell shows. **This is why message passing is modular.** A new
# primitive brings its rules, and nobody else hears of it.

# %%
matmul = primitive(np.matmul)
matmul.vjps = [lambda g, ans, A, B: g @ B.T, lambda g, ans, A, B: A.T @ g]

logaddexp = primitive(np.logaddexp)
slopes = [
    lambda g, ans, x, y: g * np.exp(x - ans),
    lambda g, ans, x, y: g * np.exp(y - ans),
]
logaddexp.vjps = [unbroadcasting(vjp, i) for i, vjp in enumerate(slopes)]

with np.errstate(over="ignore"):
    print("composed:", np.log(1 + np.exp(1000.0)), "  in one:", np.logaddexp(0, 1000.0))

outputs, inputs = 64 * 200, 64 * 300
print(
    f"A (64, 300), B (300, 200): Jacobian of C by A {8 * outputs * inputs / 1e9:.1f} GB"
)

# %% [markdown]
# ## 7 · The course's engine, and the professionals'
#
# `helpers.autodiff` is what you built, with rules for most of NumPy. Its three ideas are three files:
# `tracing.py`, `vjps.py`, `backward.py`. You write NumPy, from its namespace.
#
# **Predict before you run.** It has no `sigma`, so $\sigma$ is spelled out, and the square is a power.
# How many primitives does it trace?

# %%
anp = autodiff.numpy


def same_loss(w, b):
    y = 1 / (1 + anp.exp(-(w * x + b)))
    return 0.5 * (y - t) ** 2


picture = autodiff.draw(same_loss, 2.0, -1.0)
print(picture)

# %% [markdown]
# The picture shows this graph from the top down: the inputs in blue, one box per primitive with its value,
# the constants in grey, the loss in orange. The order of arguments is not drawn: `divide` is $1 / 2$, with
# the constant in front.

# %% tags=["nbval-ignore-output"]
picture

# %% [markdown]
# More nodes, but the same function. So the gradients must agree, and with PyTorch's too. The
# helper's `grad` takes the gradient with respect to the first argument; `argnum` names others.

# %%
helper = autodiff.grad(same_loss, argnum=(0, 1))(2.0, -1.0)
w, b = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (2.0, -1.0))
(0.5 * (torch.sigmoid(w * x + b) - t) ** 2).backward()

for name, gradients in {
    "by hand": (-1 / 16, -1 / 8),
    "your 40 lines": grad(loss)(2.0, -1.0),
    "helpers.autodiff": helper,
    "PyTorch": (w.grad.item(), b.grad.item()),
}.items():
    assert np.allclose(gradients, (-1 / 16, -1 / 8), rtol=1e-14)
    print(f"{name:16} {gradients[0]:.6f} {gradients[1]:.6f}")
autodiff.check_grads(same_loss, 2.0, -1.0)

# %% [markdown]
# Equal to the last digits. The last line of the cell shows the one use that nudging keeps: too slow to
# train with, it is good enough to catch a wrong rule. `check_grads` compares a gradient with two-sided
# differences, and says nothing if all is well. Here is a sine whose rule forgot that the slope is a cosine.

# %% tags=["rtol=1e-4"]
wrong_sin = autodiff.primitive(np.sin)
autodiff.defvjp(wrong_sin, lambda g, ans, x: g * anp.sin(x))
try:
    autodiff.check_grads(wrong_sin, 0.3)
except AssertionError as error:
    print(error)
else:
    raise RuntimeError("the wrong rule went unnoticed")

# %% [markdown]
# ## 8 · Gradients of gradients
#
# A backward pass is a run of a program, too. So trace *it*. Our 40 lines can't: a primitive takes a
# value out of its node, finds the node of another trace inside, and hands it to bare NumPy, which refuses.
# In the helper, rules call traced primitives, and a value wears a `Box` for each trace that it takes part
# in: a wrapper that holds the value and its node in that trace. So `grad` nests, and a **Hessian** is the
# Jacobian of a gradient:
#
# $$H = \frac{\partial}{\partial \theta} \nabla L(\theta), \qquad Hv = \nabla \bigl(\nabla L(\theta) \cdot v\bigr) \tag{7}$$
#
# The right half gives $Hv$ without building $H$ (Pearlmutter 1994).
#
# **Predict before you run.** $L$ depends on $w$ and $b$ only through $z = wx + b$. How many of the two
# eigenvalues of its Hessian are zero?


# %%
def of_vector(theta):
    return same_loss(theta[0], theta[1])


theta, v = np.array([2.0, -1.0]), np.array([1.0, 3.0])
H = autodiff.hessian(of_vector)(theta)
print("64 H =", np.round(64 * H, 6).tolist())
print("eigenvalues of 64 H:", np.abs(np.round(np.linalg.eigvalsh(64 * H), 6)))

Hv = autodiff.hessian_vector_product(of_vector)(theta, v)
assert np.allclose(Hv, H @ v)

# %% [markdown]
# One: along $(1, -x)$ nothing changes. PyTorch agrees. It also agrees on the fifth derivative of $\tanh$,
# where `grad` is applied five times over.


# %%
def torch_loss(theta):
    return 0.5 * (torch.sigmoid(theta[0] * x + theta[1]) - t) ** 2


torch_H = torch.func.hessian(torch_loss)(torch.tensor(theta))
print("Hessian equal to torch's:", np.allclose(H, torch_H, rtol=0, atol=1e-14))

fifth, torch_fifth = anp.tanh, torch.tanh
for _ in range(5):
    fifth, torch_fifth = autodiff.grad(fifth), torch.func.grad(torch_fifth)
theirs = torch_fifth(torch.tensor(0.3, dtype=torch.float64)).item()
print(f"fifth derivative of tanh at 0.3: {fifth(0.3):.6f}, torch's {theirs:.6f}")

# %% [markdown]
# ## 9 · The engine learns
#
# Two crescents of points, a network with one hidden layer of 16, and the logistic loss of lecture 03. With
# the label $s_i = \pm 1$ and the network's score $f_i$ for point $i$,
#
# $$f = \tanh(X W_1 + b_1)\, W_2 + b_2, \qquad J = \frac1n \sum_{i=1}^{n} -\log \sigma(s_i f_i)
# = \frac1n \sum_{i=1}^{n} \log\bigl(1 + e^{-s_i f_i}\bigr) \tag{8}$$
#
# Write it once. `ops` brings the functions: your primitives, the helper's NumPy, or `torch`.

# %%
points, label = make_moons(n_samples=200, noise=0.15, random_state=8)
signs = 2.0 * label[:, None] - 1  # (200, 1), ±1


def scores(ops, X, W1, b1, W2, b2):
    return ops.matmul(ops.tanh(ops.matmul(X, W1) + b1), W2) + b2  # (n, 1)


def loss_with(ops, array=np.asarray):
    X, s, zero = array(points), array(signs), array(0.0)

    def mean_loss(*params):
        losses = ops.logaddexp(zero, scores(ops, X, *params) * -s)  # (n, 1)
        return ops.sum(losses) * (1 / len(points))

    return mean_loss


# %%
ours = SimpleNamespace(matmul=matmul, tanh=tanh, logaddexp=logaddexp, sum=total)


def torch_gradients(*params):
    params = [torch.tensor(p, requires_grad=True) for p in params]
    loss = loss_with(torch, torch.tensor)(*params)
    return [g.numpy() for g in torch.autograd.grad(loss, params)]


gradients_of = {
    "your 40 lines": grad(loss_with(ours)),
    "helpers.autodiff": autodiff.grad(loss_with(anp), argnum=(0, 1, 2, 3)),
    "PyTorch": torch_gradients,
}

# %% [markdown]
# Three engines, one start, 400 steps of gradient descent with momentum.
#
# **Predict before you run.** At first the network knows nothing. What is its loss, roughly? And do the three
# still agree after 400 steps?


# %%
def train(gradients, start, steps=400, rate=0.3, momentum=0.9):
    """The parameters before each step and after the last."""
    history, velocity = [start], [0.0] * len(start)
    for _ in range(steps):
        slopes = gradients(*history[-1])
        velocity = [
            momentum * v - rate * g for v, g in zip(velocity, slopes, strict=True)
        ]
        history.append([p + v for p, v in zip(history[-1], velocity, strict=True)])
    return history


W1, W2 = 0.5 * rng.normal(size=(2, 16)), 0.5 * rng.normal(size=(16, 1))
start = [W1, np.zeros(16), W2, np.zeros(1)]
histories = {name: train(gradients, start) for name, gradients in gradients_of.items()}

# %% tags=["rtol=5e-2"]
mean_loss = loss_with(anp)
reference = histories["your 40 lines"]
for name, history in histories.items():
    before, after = mean_loss(*history[0]), mean_loss(*history[-1])
    final = zip(history[-1], reference[-1], strict=True)
    apart = max(np.abs(p - q).max() for p, q in final)
    assert 0.8 < before < 0.9, before
    assert after < 0.05, after
    assert apart < 1e-9, apart
    print(f"{name:16} loss {before:.3f} -> {after:.4f}; weights within 1e-9 of yours")

# %% [markdown]
# At first 0.85, above a coin's $\log 2 = 0.69$: random weights are not ignorant, but confidently random.
# After 400 steps the weights still agree to nine decimals. The picture shows the crescents as
# circles and squares after 0, 10, 50 and 400 steps. The colour behind them is the network's probability (purple = squares), the
# black line its boundary. It starts
# anywhere, becomes nearly straight, and then bends into the gap.

# %%
grid = np.stack(np.meshgrid(np.linspace(-1.7, 2.7, 80), np.linspace(-1.3, 1.8, 60)))
fig, axes = plt.subplots(1, 4, figsize=(11, 3), sharey=True)
for ax, step in zip(axes, [0, 10, 50, 400], strict=True):
    params = reference[step]
    f = scores(anp, grid.reshape(2, -1).T, *params).reshape(60, 80)
    ax.contourf(*grid, 1 / (1 + np.exp(-f)), 10, cmap="PuOr", vmin=0, vmax=1)
    ax.contour(*grid, f, [0], colors="black")
    for side, marker in [(0, "o"), (1, "s")]:
        ax.scatter(*points[label == side].T, s=12, marker=marker, c="white", ec="black")
    right = np.mean(scores(anp, points, *params) * signs > 0)
    ax.set(title=f"step {step}: {right:.0%} right", xlabel="$x_1$")
axes[0].set_ylabel("$x_2$")
plt.show()

# %% [markdown]
# ## 10 · What it costs
#
# Each primitive runs once forward, and each of its rules once backward, and each rule costs about as much as
# its primitive. So the cost is linear in the length of
# the run, however many inputs there are. For arithmetic, Baur and Strassen (1983) prove that the value and
# *all* its derivatives take at most three times the multiplications and divisions of the value alone.
#
# **Predict before you run.** A primitive that counts its calls, used 100,000 times in a row. How many forward
# calls, how many rule calls?

# %%
calls = Counter()


@autodiff.primitive
def counted_sin(x):
    calls["forward"] += 1
    return np.sin(x)


def counted_vjp(g, ans, x):
    calls["rule"] += 1
    return g * anp.cos(x)


autodiff.defvjp(counted_sin, counted_vjp)


# %%
def chain(fun, length, x):
    for _ in range(length):
        x = fun(x)
    return x


autodiff.grad(partial(chain, counted_sin, 100_000))(1.0)
print(dict(calls))

# %% [markdown]
# Now by the clock. First, runs of growing length, of one number. Then one function of more and more
# parameters: how many values could you compute in the time of one gradient?


# %%
def seconds(fun, x, number):
    """The time of fun(x): the best of three means over number calls."""
    return min(repeat(partial(fun, x), number=number, repeat=3)) / number


lengths = 10 ** np.arange(2, 6)
clock = {"value": [], "gradient": []}
for n in lengths:
    sines = partial(chain, anp.sin, n)
    for name, fun in [("value", sines), ("gradient", autodiff.grad(sines))]:
        clock[name].append(seconds(fun, 1.0, number=10**5 // n))
power = np.polyfit(np.log(lengths), np.log(clock["gradient"]), 1)[0]
assert 0.5 < power < 1.5, power
print("time grows as length to a power in (0.5, 1.5); quadratic would be 2")


# %%
def bump(a):
    return anp.sum(anp.tanh(a) * anp.exp(-a * a))


counts, ratios = 10 ** np.arange(1, 7), []
for n in counts:
    a, number = rng.normal(size=n), max(5, 2000 // n)
    ratios.append(seconds(autodiff.grad(bump), a, number) / seconds(bump, a, number))
assert ratios[-1] < 30, ratios
print("a million derivatives cost less than 30 values")

# %% [markdown]
# The picture shows, left, two nearly parallel straight lines on logarithmic axes: time in proportion to
# length. The gap between them is Python's bookkeeping, which is large for single numbers. Right, the price of
# a gradient in values of the function. Finite differences need one run per parameter, a steep line. Automatic
# differentiation starts near a dozen and settles at a few, as the arrays outgrow the bookkeeping. With only
# ten parameters, it costs about as much as nudging, or more.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
left.loglog(lengths, clock["gradient"], "o-", label="gradient")
left.loglog(lengths, clock["value"], "s--", label="value")
left.set(xlabel="primitives in a row", ylabel="seconds")
right.loglog(counts, ratios, "o-", label="autodiff (measured)")
right.loglog(counts, counts + 1, "s--", label="finite differences (counted)")
right.set(xlabel="parameters", ylabel="price in values")
left.legend()
right.legend()
plt.show()

# %% [markdown]
# ## 11 · Where it breaks
#
# *Memory.* The graph keeps every value until the backward pass has used it. A thousand steps hold a
# thousand arrays. To keep a few and recompute the others is called checkpointing.
# (`elementwise_grad` is `grad` for a function that works entry by entry: one derivative for each entry.)

# %%
a = rng.normal(size=10_000)
sines = partial(chain, anp.sin, 1000)
_, value_peak = megabytes(lambda: sines(a))
_, gradient_peak = megabytes(lambda: autodiff.elementwise_grad(sines)(a))
assert value_peak < 1, value_peak
assert 80 < gradient_peak < 90, gradient_peak
print("value: below 1 MB; gradient: between 80 and 90 MB")

# %% [markdown]
# *It differentiates the program, not the function in your head.* `where`
# computes both sides: the one that you throw away can still spoil the gradient.
#
# **Predict before you run.** $f(x) = \sqrt{x}$ for $x > 0$, else $0$. At $x = 0$ the program returns the
# constant 0. What is its gradient there?


# %%
def careless(x):
    return anp.where(x > 0, anp.sqrt(x), 0.0)


def careful(x):
    return anp.where(x > 0, anp.sqrt(anp.where(x > 0, x, 1.0)), 0.0)


with np.errstate(all="ignore"):
    for f in (careless, careful):
        print(f"{f.__name__}: {autodiff.grad(f)(0.0)}")
zero = torch.tensor(0.0, requires_grad=True)
torch.where(zero > 0, torch.sqrt(zero), 0.0).backward()
print("torch, written carelessly:", zero.grad.item())

# %% [markdown]
# The message 0 meets the root's infinite slope, and $0 \cdot \infty$ is not a number. Guard the *input* of
# the dangerous function.
#
# *Many outputs.* A backward pass gives one row of a Jacobian. With few inputs and many outputs, **forward
# mode**, which carries derivatives along with the values, is the cheaper direction.
#
# ## What you can do now
#
# - Trace a program into a graph, give each primitive its VJPs, and send gradients back in topological order.
# - Say why all derivatives cost a few runs, and why no Jacobian is ever built.
# - Differentiate gradients, check rules by nudging, and spot where a right rule gives a useless answer.
#
# **References.**
# [Baydin, Pearlmutter, Radul & Siskind 2018](https://jmlr.org/papers/v18/17-468.html), the survey to read next ·
# [Griewank & Walther 2008](https://doi.org/10.1137/1.9780898717761), the textbook ·
# [Maclaurin, Duvenaud & Adams 2015](https://github.com/HIPS/autograd), Autograd, whose design
# `helpers.autodiff` follows, and [Autodidact](https://github.com/mattjj/autodidact), its version for teaching ·
# [Wengert 1964](https://doi.org/10.1145/355586.364791), the trace ·
# [Kahn 1962](https://doi.org/10.1145/368996.369025), the order ·
# [Baur & Strassen 1983](https://doi.org/10.1016/0304-3975(83)90110-X), the cost ·
# [Pearlmutter 1994](https://doi.org/10.1162/neco.1994.6.1.147), Hessians times vectors ·
# [Giles 2008](https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf), rules for matrices ·
# [Grosse 2018](https://www.cs.toronto.edu/~rgrosse/courses/csc321_2018/slides/lec10.pdf), the neuron of (1).
#
# **Next.** Exercise 08: you build the engine, from the first number to a primitive of your own.
