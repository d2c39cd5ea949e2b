# %% [markdown]
# # Exercise 11 · Recurrent networks
#
# **What you build.** A recurrent network with its backward pass, in NumPy and by hand. The Jacobian that says how far it
# remembers. Gradient clipping. An LSTM and a GRU that equal PyTorch's. And a network that reads sentences of
# different lengths in one batch, and learns nothing from the padding.
#
# *You need* lecture 11. *It takes* about three hours. *It is worth* 30 points in six questions, which don't depend on
# one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points, so half an answer earns half of them. To
# see where you stand, save the notebook and give its path to `.venv/bin/course check`: it tells
# your points in words. `.venv/bin/pytest --nbval` shows each difference.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ invent or investigate.
#
# **Shapes.** As in PyTorch, time comes first and the batch second. $T$ is the number of steps, $B$ the batch, $N$ the size of an
# input, $H$ that of a state. Sequences of a batch are rows, so $W h$ for every row of `h` is `h @ W.T`.
#
# **Rules.** Write NumPy. Leave the arrays that you are given as they are: they are read-only, and writing into one is an error. Autograd is
# switched off, and functions whose names begin with `torch_` are there for the checks alone: your answers can't call them when they are graded.

# %%
import numpy as np
import torch
from scipy.special import expit
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from helpers.course.checks import check
from helpers.device import seed_everything

seed_everything(11)
torch.set_grad_enabled(False)  # except for what checks expect
torch.set_num_threads(1)  # the networks are small: sharing them out costs more


# %%
def fixed(*arrays):
    """The arrays, read-only from now on."""
    for array in arrays:
        array.setflags(write=False)
    return arrays


def random_rnn(seed, T, B, N, H):
    """Inputs, first state and weights, read-only: x, h0, W_ih, W_hh, b."""
    rng = np.random.default_rng(seed)
    shapes = (T, B, N), (B, H), (H, N), (H, H), (H,)
    x, h0, W_ih, W_hh, b = (rng.normal(size=shape) for shape in shapes)
    return fixed(x, 0.5 * h0, 0.7 * W_ih, W_hh / np.sqrt(H), 0.3 * b)


def torch_rnn(W_ih, W_hh, b):
    """nn.RNN with these weights, in double precision, all on `b` and none on b_hh."""
    net = nn.RNN(W_ih.shape[1], W_ih.shape[0]).double()
    arrays = [W_ih, W_hh, b, np.zeros_like(b)]
    with torch.no_grad():
        for weight, array in zip(net.parameters(), arrays, strict=True):
            weight.copy_(torch.tensor(array))
    return net


# %% [markdown]
# ## Question 1 · Reading
# ★ · 15 minutes · 4 points
#
# Elman's network (lecture 11, eq. 1) reads a batch of sequences:
#
# $$h_t = \tanh(W_{ih}\, x_t + W_{hh}\, h_{t-1} + b), \qquad t = 1 … T \tag{1}$$
#
# Return all states $h_1 … h_T$. Of the first state $h_0$ you are told; it is not among them. Inputs may be as large as they like.
#
# <details><summary>Hint 1</summary>
#
# Loop over `x`: each `x_t` is $(B, N)$. What are the shapes of `x_t @ W_ih.T` and `h @ W_hh.T`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Collect the states in a list, and make one array of it with `np.stack`.
#
# </details>


# %% answer="read"
def read(x, h0, W_ih, W_hh, b):
    """The states of a vanilla RNN.

    Args:
        x: (T, B, N) floats.
        h0: (B, H) floats, the state before the first step.
        W_ih: (H, N), W_hh: (H, H), b: (H,).

    Returns:
        (T, B, H) floats, the state after each step.

    Example: x [[[1.]], [[0.]]], h0 [[0.]], W_ih [[1.]], W_hh [[.5]], b [0.] -> [[[.7616]], [[.3634]]]
    """
    # BEGIN SOLUTION
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t @ W_ih.T + h @ W_hh.T + b)
        states.append(h)
    return np.stack(states)
    # END SOLUTION


# %%
def torch_states(x, h0, W_ih, W_hh, b):
    """The same by nn.RNN."""
    net = torch_rnn(W_ih, W_hh, b)
    return net(torch.tensor(x), torch.tensor(h0)[None])[0].detach().numpy()


# %% check="read" points=1
with check("Three steps of one sequence, two units") as c:
    sample = random_rnn(1, T=3, B=1, N=2, H=2)
    c.close(
        "states",
        read(*sample),
        torch_states(*sample),
        hint="Work out the first state by hand. Does it see h0, and is W transposed?",
    )

# %% check="read" part="batch" points=2
with check("A batch of 4 sequences with 6 steps, 3 inputs, 5 units") as c:
    sample = random_rnn(2, T=6, B=4, N=3, H=5)
    got, want = read(*sample), torch_states(*sample)
    c.equal(
        "shape",
        list(np.shape(got)),
        [6, 4, 5],
        hint="One state for each input, h0 not among them.",
    )
    c.close("first", got[0], want[0], hint="Which state comes before the first step?")
    c.close(
        "last",
        got[-1],
        want[-1],
        hint="What does the last step get from the one before?",
    )

# %% check="read" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("As many inputs as units; one step; many steps; large inputs") as c:
    for seed, T, scale in [(3, 1, 1), (4, 40, 1), (5, 40, 1000)]:
        x, *others = random_rnn(seed, T=T, B=2, N=4, H=4)
        (x,) = fixed(scale * x)
        c.close(
            f"T = {T}, inputs × {scale}",
            read(x, *others),
            torch_states(x, *others),
            hint="Does anything overflow, or depend on an earlier call?",
        )
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The loop can't be avoided: step $t$ needs the state of step $t - 1$. But the inputs' share,
# `x @ W_ih.T + b`, needs no state. Compute it for all times at once, as the second right answer does: one large
# product is faster than $T$ small ones.


# %% wrong="read" why="W_hh isn't transposed" says="is W transposed"
def read(x, h0, W_ih, W_hh, b):
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t @ W_ih.T + h @ W_hh + b)
        states.append(h)
    return np.stack(states)


# %% wrong="read" why="starts from zero instead of h0" says="see h0"
def read(x, h0, W_ih, W_hh, b):
    h, states = np.zeros_like(h0), []
    for x_t in x:
        h = np.tanh(x_t @ W_ih.T + h @ W_hh.T + b)
        states.append(h)
    return np.stack(states)


# %% wrong="read" why="every step starts from h0: no recurrence" says="What does the last step get"
def read(x, h0, W_ih, W_hh, b):
    return np.tanh(x @ W_ih.T + h0 @ W_hh.T + b)


# %% wrong="read" why="returns h0 with the others" says="shape (4, 1, 2), expected (3, 1, 2)"
def read(x, h0, W_ih, W_hh, b):
    states = [h0]
    for x_t in x:
        states.append(np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b))
    return np.stack(states)


# %% wrong="read" why="leaves out the bias" says="Work out the first state"
def read(x, h0, W_ih, W_hh, b):
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t @ W_ih.T + h @ W_hh.T)
        states.append(h)
    return np.stack(states)


# %% wrong="read" why="spells tanh out: exp overflows at large inputs" says="nan or infinite"
def read(x, h0, W_ih, W_hh, b):
    h, states = h0, []
    for x_t in x:
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(2 * (x_t @ W_ih.T + h @ W_hh.T + b))
            h = (e - 1) / (e + 1)
        states.append(h)
    return np.stack(states)


# %% right="read" why="the inputs' share for all times at once"
def read(x, h0, W_ih, W_hh, b):
    z = np.einsum("tbi,hi->tbh", x, W_ih) + b
    h = h0
    for t in range(len(z)):
        h = z[t] = np.tanh(z[t] + np.einsum("bj,hj->bh", h, W_hh))
    return z


# %% [markdown]
# ## Question 2 · Backpropagation through time
# ★★ · 40 minutes · 6 points
#
# A loss $L$ looks at *every* state. You get $g_t$, its gradient at $h_t$ as far as the loss looks at $h_t$ *itself*. But
# $h_t$ also acts through $h_{t+1}$. With $\delta_t$ for the gradient at $z_t = W_{ih} x_t + W_{hh} h_{t-1} + b$
# ([Werbos 1990](https://doi.org/10.1109/5.58337); lecture 11, eqs. 2 and 3):
#
# $$\delta_t = (1 - h_t^2) \odot \bigl(g_t + W_{hh}^\top \delta_{t+1}\bigr), \qquad \delta_{T+1} = 0 \tag{2}$$
#
# The weights were used at every step $t$ and for every sequence $j$, so their gradients are sums over both. Each sequence has an $h_0$ of its own:
#
# $$\frac{\partial L}{\partial W_{hh}} = \sum_{t,j} \delta_{t,j} h_{t-1,j}^\top, \quad
# \frac{\partial L}{\partial W_{ih}} = \sum_{t,j} \delta_{t,j} x_{t,j}^\top, \quad
# \frac{\partial L}{\partial b} = \sum_{t,j} \delta_{t,j}, \quad
# \frac{\partial L}{\partial h_{0,j}} = W_{hh}^\top \delta_{1,j} \tag{3}$$
#
# The states are given, and (2) and (3) need nothing else of the way forward: the checks draw them at random. No autograd in your answer.
#
# <details><summary>Hint 1</summary>
#
# Walk `for t in reversed(range(T))` and carry what comes from the future, $W_{hh}^\top \delta_{t+1}$, as a $(B, H)$ array. As rows, is that
# `delta @ W_hh` or `delta @ W_hh.T`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `delta.T @ previous` is $(H, B)$ times $(B, H)$: it sums over the batch for you. The previous state of step 0 is `h0`.
#
# </details>


# %% answer="bptt"
def bptt(x, h0, W_ih, W_hh, states, g):
    """Gradients of a loss on the states of a vanilla RNN.

    Args:
        x: (T, B, N), h0: (B, H), W_ih: (H, N), W_hh: (H, H).
        states: (T, B, H), h_1 ... h_T.
        g: (T, B, H), the loss's own gradient at each state.

    Returns:
        dict with "W_ih" (H, N), "W_hh" (H, H), "b" (H,) and "h0" (B, H).

    Example: the three steps of lecture 11 (g is 0, 0, -.8203) -> W_ih [[-.0723]], W_hh [[-.5508]]
    """
    # BEGIN SOLUTION
    d = {"W_ih": np.zeros_like(W_ih), "W_hh": np.zeros_like(W_hh)}
    d |= {"b": np.zeros(len(W_hh)), "h0": np.zeros_like(h0)}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (g[t] + d["h0"])
        d["W_ih"] += delta.T @ x[t]
        d["W_hh"] += delta.T @ (states[t - 1] if t else h0)
        d["b"] += delta.sum(axis=0)
        d["h0"] = delta @ W_hh
    return d
    # END SOLUTION


# %%
@torch.enable_grad()
def torch_bptt(x, h0, W_ih, W_hh, states, g):
    """The same by PyTorch's autograd, through a network that has just these states."""
    arrays = {"W_ih": W_ih, "W_hh": W_hh, "b": np.zeros(len(W_hh)), "h0": h0}
    p = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    linear, h, loss = nn.functional.linear, p["h0"], 0
    for x_t, state, g_t in zip(*map(torch.tensor, (x, states, g)), strict=True):
        z = linear(x_t, p["W_ih"]) + linear(h, p["W_hh"], p["b"])
        # A constant is added to z: it makes h equal to the state.
        h = torch.tanh(z + (torch.atanh(state) - z).detach())
        loss = loss + (h * g_t).sum()
    loss.backward()
    return {name: parameter.grad.numpy() for name, parameter in p.items()}


def compare_bptt(c, seed, T, B, N, H, only_last=False, scale=1.0):
    """Compare your gradients on random numbers with PyTorch's."""
    x, h0, W_ih, W_hh, _ = random_rnn(seed, T, B, N, H)
    rng = np.random.default_rng(seed + 100)
    states, g = rng.uniform(-1, 1, (T, B, H)), scale * rng.normal(size=(T, B, H))
    if only_last:
        g[:-1] = 0
    fixed(states, g)
    got = bptt(x, h0, W_ih, W_hh, states, g)
    want = torch_bptt(x, h0, W_ih, W_hh, states, g)
    hints = {
        "W_ih": "Is every step's share added, from T to 1?",
        "W_hh": "Which state stands beside δ_t: the new or the previous one?",
        "b": "Over which axis is the sum, and is it over all steps?",
        "h0": "One more product with W_hh; transposed or not, as rows?",
    }
    for name, hint in hints.items():
        c.close(f"∂L/∂{name}", got[name], want[name], hint=hint)


# %% check="bptt" part="one" points=1
with check("One step: no time to go back through") as c:
    compare_bptt(c, 21, T=1, B=2, N=3, H=4)

# %% check="bptt" part="last" points=2
with check("Five steps, and a loss on the last state only") as c:
    compare_bptt(c, 22, T=5, B=3, N=2, H=4, only_last=True)

# %% check="bptt" part="all" points=2
with check("Seven steps, and a loss on every state") as c:
    compare_bptt(c, 23, T=7, B=4, N=3, H=3)

# %% check="bptt" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Thirty steps; the same with a steep loss; a batch of one") as c:
    compare_bptt(c, 24, T=30, B=2, N=2, H=5)
    compare_bptt(c, 26, T=30, B=2, N=2, H=5, scale=100.0)
    compare_bptt(c, 25, T=4, B=1, N=1, H=3)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The whole of BPTT is one carried array: what the future says about $h_t$. It meets what the loss says itself, $g_t$, *before* the
# factor $1 - h_t^2$, since both act on the same $h_t$. After the loop it is the gradient at $h_0$. Cut the loop after $k$
# steps, and you have truncated BPTT (lecture 12). In rows, $W^\top \delta$ for each row of `delta` is `delta @ W`: the forward pass has
# the transpose, the backward pass has not.


# %% wrong="bptt" why="transposes W_hh on the way back" says="transposed or not"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (g[t] + d["h0"])
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ before[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        d["h0"] = delta @ W_hh.T
    return d


# %% wrong="bptt" why="puts the new state beside δ, not the previous one" says="Which state stands beside"
def bptt(x, h0, W_ih, W_hh, states, g):
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (g[t] + d["h0"])
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        d["h0"] = delta @ W_hh
    return d


# %% wrong="bptt" why="multiplies only g by the slope, not what comes from the future" says="Is every step's share"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * g[t] + d["h0"]
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ before[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        d["h0"] = delta @ W_hh
    return d


# %% wrong="bptt" why="nothing comes from the future: truncated to one step" says="Is every step's share"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    delta = (1 - states**2) * g
    return {
        "W_ih": np.einsum("tbh,tbi->hi", delta, x),
        "W_hh": np.einsum("tbh,tbi->hi", delta, before),
        "b": delta.sum(axis=(0, 1)),
        "h0": delta[0] @ W_hh,
    }


# %% wrong="bptt" why="divides by the batch" says="Over which axis"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (g[t] + d["h0"])
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ before[t]
        d["b"] = d["b"] + delta.mean(axis=0)
        d["h0"] = delta @ W_hh
    return d


# %% wrong="bptt" why="adds what comes from the future into the caller's g" says="read-only"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        g[t] += d["h0"]
        delta = (1 - states[t] ** 2) * g[t]
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ before[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        d["h0"] = delta @ W_hh
    return d


# %% wrong="bptt" why="clips what it hands on: no part of the gradient" says="Is every step's share"
def bptt(x, h0, W_ih, W_hh, states, g):
    before = np.concatenate([h0[None], states[:-1]])
    d = {"W_ih": 0, "W_hh": 0, "b": 0, "h0": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t] ** 2) * (g[t] + d["h0"])
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ before[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        d["h0"] = np.clip(delta @ W_hh, -4, 4)
    return d


# %% right="bptt" why="first all δ, then three sums over time and batch"
def bptt(x, h0, W_ih, W_hh, states, g):
    delta = np.zeros((len(x) + 1, *h0.shape))
    for t in range(len(x) - 1, -1, -1):
        total = g[t] + np.einsum("bh,hj->bj", delta[t + 1], W_hh)
        delta[t] = total - total * states[t] ** 2
    before = np.concatenate([h0[None], states[:-1]])
    return {
        "W_ih": np.tensordot(delta[:-1], x, axes=((0, 1), (0, 1))),
        "W_hh": np.tensordot(delta[:-1], before, axes=((0, 1), (0, 1))),
        "b": delta.sum(axis=(0, 1)),
        "h0": delta[0] @ W_hh,
    }


# %% [markdown]
# ## Question 3 · How far does it remember?
# ★★ · 25 minutes · 5 points
#
# For one sequence, let $h_k = \phi(W_{ih} x_k + W_{hh} h_{k-1} + b)$, where $\phi$ is tanh or the logistic function $\sigma$. The temporal Jacobian and its bound
# ([Pascanu et al. 2013](https://arxiv.org/abs/1211.5063), section 2; lecture 11, eqs. 4 and 5) are
#
# $$\frac{\partial h_T}{\partial h_t} = D_T W_{hh} \cdots D_{t+1} W_{hh}, \qquad
# \Bigl\lVert \frac{\partial h_T}{\partial h_t} \Bigr\rVert \le (\gamma\, \sigma_{\max})^{T-t} \tag{4}$$
#
# where $D_k$ is diagonal with the slopes $\phi'$ at step $k$, $\gamma$ is the largest slope that $\phi$ has anywhere, and $\sigma_{\max}$ the largest
# singular value of $W_{hh}$. You get the states, not the sums inside $\phi$: write $\phi'$ in terms of $h$.
#
# Return the Jacobian for every $t = 0 … T$, and the bound for every $t$.
#
# <details><summary>Hint 1</summary>
#
# $\tanh' = 1 - h^2$ and $\sigma' = h(1 - h)$. Where is each largest, and what is it there?
#
# </details>
# <details><summary>Hint 2</summary>
#
# For $t = T$ the Jacobian is the identity. That for $t - 1$ is that for $t$, times $D_t W_{hh}$: on which side? `np.linalg.norm(W, 2)` is
# $\sigma_{\max}$.
#
# </details>


# %% answer="memory"
def temporal_jacobians(W_hh, states, activation):
    """∂h_T/∂h_t for t = 0 ... T, and the bound on its norm.

    Args:
        W_hh: (H, H) floats.
        states: (T + 1, H) floats, h_0 ... h_T of one sequence.
        activation: "tanh" or "logistic".

    Returns:
        Jacobians (T + 1, H, H) and bounds (T + 1,). Row t is that of h_t.

    Example: W_hh [[.5]], states [[.1], [0.], [.6]], "tanh" -> [[[.16]], [[.32]], [[1.]]], [.25, .5, 1.]
    """
    # BEGIN SOLUTION
    tanh = activation == "tanh"
    slopes = 1 - states**2 if tanh else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[:0:-1]:
        jacobians.append(jacobians[-1] @ (slope[:, None] * W_hh))
    rate = (1.0 if tanh else 0.25) * np.linalg.norm(W_hh, 2)
    distances = np.arange(len(states))[::-1]
    return np.array(jacobians[::-1]), rate**distances
    # END SOLUTION


# %%
def torch_jacobians(seed, T, H, activation, scale=1.0):
    """A random sequence: W_hh, its states and its Jacobians by torch's autograd."""
    rng = np.random.default_rng(seed)
    W = torch.tensor(scale * rng.normal(size=(H, H)) / np.sqrt(H))
    inputs = torch.tensor(rng.normal(size=(T, H)))
    phi = torch.tanh if activation == "tanh" else torch.sigmoid

    def states_from(h, t):
        states = [h]
        for u in inputs[t:]:
            states.append(phi(W @ states[-1] + u))
        return torch.stack(states)

    states = states_from(torch.tensor(rng.uniform(0, 0.5, size=H)), 0)
    jacobian = torch.autograd.functional.jacobian
    J = [
        jacobian(lambda h, t=t: states_from(h, t)[-1], states[t]) for t in range(T + 1)
    ]
    return fixed(W.numpy(), states.numpy(), torch.stack(J).numpy())


def stretch(A):
    """The most by which a matrix stretches a vector: the root of AᵀA's largest eigenvalue."""
    return np.sqrt(np.linalg.eigvalsh(A.T @ A)[-1])


# %% check="memory" part="jacobian" points=2
with check("Jacobians of six steps, four units") as c:
    for seed, activation in [(31, "tanh"), (32, "logistic")]:
        W, states, want = torch_jacobians(seed, 6, 4, activation)
        got, _ = temporal_jacobians(W, states, activation)
        c.close(
            f"{activation}, ∂h_6/∂h_5",
            got[5],
            want[5],
            hint="One step: does D scale the rows of W or its columns, at which state?",
        )
        c.close(
            f"{activation}, all",
            got,
            want,
            hint="Which factor stands on the right: the earliest or the latest?",
        )

# %% check="memory" part="bound" points=2
with check("Bounds") as c:
    for seed, activation in [(33, "tanh"), (34, "logistic")]:
        W, states, want = torch_jacobians(seed, 5, 3, activation, scale=1.3)
        bound = np.asarray(temporal_jacobians(W, states, activation)[1])
        phi = np.tanh if activation == "tanh" else expit
        gamma = np.max(np.diff(phi(np.arange(-1, 1, 1e-4)))) / 1e-4
        c.close(
            f"{activation}, bound",
            bound,
            [(gamma * stretch(W)) ** k for k in (5, 4, 3, 2, 1, 0)],
            hint="The largest singular value, not eigenvalue. The largest slope, anywhere.",
        )
        norms = np.array([stretch(J) for J in want])
        c.true(
            f"{activation}, holds",
            np.all(norms <= bound + 1e-9),
            norms / bound,
            hint="A norm above its bound: is the exponent T - t, and the slope γ?",
        )

# %% check="memory" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other sizes, an exploding one, and one step of one unit") as c:
    for seed, T, H, activation, scale in [
        (35, 12, 6, "tanh", 3.0),
        (36, 3, 2, "logistic", 6.0),
        (35, 1, 1, "tanh", 1.0),  # a negative weight, positive states
    ]:
        W, states, want = torch_jacobians(seed, T, H, activation, scale)
        got, bound = temporal_jacobians(W, states, activation)
        c.close("Jacobians", got, want)
        gamma = 1 if activation == "tanh" else 1 / 4
        c.close("bound", bound, [(gamma * stretch(W)) ** k for k in range(T, -1, -1)])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# $D_k$ stands left of $W$, so it scales *rows*: row $i$ of $W$ says what unit $i$ sees, and unit $i$'s slope scales it. Walking back in time, each new
# factor joins on the *right*. The logistic function has $\gamma = \tfrac14$: it needs $\sigma_{\max} > 4$ before anything can explode, and at every step its bound is four times smaller than that
# of tanh. One reason why the *state* of an LSTM uses tanh, and only its gates use $\sigma$.


# %% wrong="memory" why="scales the columns of W, not its rows" says="does D scale the rows"
def temporal_jacobians(W_hh, states, activation):
    tanh = activation == "tanh"
    slopes = 1 - states**2 if tanh else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[:0:-1]:
        jacobians.append(jacobians[-1] @ (slope * W_hh))
    rate = (1.0 if tanh else 0.25) * np.linalg.norm(W_hh, 2)
    return np.array(jacobians[::-1]), rate ** np.arange(len(states))[::-1]


# %% wrong="memory" why="multiplies in the opposite order" says="Which factor stands on the right"
def temporal_jacobians(W_hh, states, activation):
    tanh = activation == "tanh"
    slopes = 1 - states**2 if tanh else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[:0:-1]:
        jacobians.append((slope[:, None] * W_hh) @ jacobians[-1])
    rate = (1.0 if tanh else 0.25) * np.linalg.norm(W_hh, 2)
    return np.array(jacobians[::-1]), rate ** np.arange(len(states))[::-1]


# %% wrong="memory" why="takes the slope at the state before the step" says="at which state"
def temporal_jacobians(W_hh, states, activation):
    tanh = activation == "tanh"
    slopes = 1 - states**2 if tanh else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[-2::-1]:
        jacobians.append(jacobians[-1] @ (slope[:, None] * W_hh))
    rate = (1.0 if tanh else 0.25) * np.linalg.norm(W_hh, 2)
    return np.array(jacobians[::-1]), rate ** np.arange(len(states))[::-1]


# %% wrong="memory" why="takes the largest eigenvalue for the largest singular value" says="singular value, not eigenvalue"
def temporal_jacobians(W_hh, states, activation):
    tanh = activation == "tanh"
    slopes = 1 - states**2 if tanh else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[:0:-1]:
        jacobians.append(jacobians[-1] @ (slope[:, None] * W_hh))
    rate = (1.0 if tanh else 0.25) * np.abs(np.linalg.eigvals(W_hh)).max()
    return np.array(jacobians[::-1]), rate ** np.arange(len(states))[::-1]


# %% wrong="memory" why="the logistic function's slope taken for as large as that of tanh" says="The largest slope, anywhere"
def temporal_jacobians(W_hh, states, activation):
    slopes = 1 - states**2 if activation == "tanh" else states * (1 - states)
    jacobians = [np.eye(len(W_hh))]
    for slope in slopes[:0:-1]:
        jacobians.append(jacobians[-1] @ (slope[:, None] * W_hh))
    rate = np.linalg.norm(W_hh, 2)
    return np.array(jacobians[::-1]), rate ** np.arange(len(states))[::-1]


# %% right="memory" why="forwards, with diagonal matrices spelled out"
def temporal_jacobians(W_hh, states, activation):
    T = len(states) - 1
    slope, gamma = {
        "tanh": (lambda h: 1 - h**2, 1.0),
        "logistic": (lambda h: h - h**2, 0.25),
    }[activation]
    jacobians = np.empty((T + 1, *W_hh.shape))
    for t in range(T + 1):
        J = np.eye(len(W_hh))
        for k in range(t + 1, T + 1):
            J = np.diag(slope(states[k])) @ W_hh @ J
        jacobians[t] = J
    s_max = np.linalg.svd(W_hh, compute_uv=False)[0]
    return jacobians, np.array([(gamma * s_max) ** (T - t) for t in range(T + 1)])


# %% [markdown]
# ## Question 4 · Clipping
# ★ · 15 minutes · 3 points
#
# A model has many arrays of weights, and their gradients are *one* long vector $g$. Clip it by norm ([Pascanu et al. 2013](https://arxiv.org/abs/1211.5063),
# algorithm 1; lecture 11, eq. 7):
#
# $$g \leftarrow g \cdot \min\Bigl(1, \frac{\text{limit}}{\lVert g \rVert}\Bigr) \tag{5}$$
#
# Return new arrays, for a short gradient too, and the norm *before*. Leave the caller's arrays as they were (here they can be written into). A gradient of zeros stays zeros.
#
# <details><summary>Hint 1</summary>
#
# One norm for all arrays together: the root of the sum of all squares. Then one factor for all.
#
# </details>
# <details><summary>Hint 2</summary>
#
# To avoid dividing by zero, ask first whether the norm is above the limit.
#
# </details>


# %% answer="clip"
def clip(gradients, limit):
    """Shorten a gradient to `limit` where it is longer.

    Args:
        gradients: list of float arrays, of any shapes.
        limit: positive float.

    Returns:
        list of new arrays with the same shapes, and the norm before (float).

    Example: [[3.], [[4.]]], limit 1 -> [[.6], [[.8]]], 5.0
    """
    # BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = limit / norm if norm > limit else 1.0
    return [factor * g for g in gradients], norm
    # END SOLUTION


# %%
def torch_clip(gradients, limit):
    """The same by nn.utils.clip_grad_norm_."""
    weights = [torch.zeros(g.shape, dtype=torch.float64) for g in gradients]
    for weight, g in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(g)
    norm = nn.utils.clip_grad_norm_(weights, limit).item()
    return [weight.grad.numpy() for weight in weights], norm


# %%
THREE = ((2, 3), (4,), (1, 2, 2))


def random_gradients(seed, shapes=THREE, scale=1.0):
    """Random arrays of these shapes."""
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=shape) for shape in shapes]


def compare_clip(c, gradients, limit):
    """Compare your clipping of some arrays with torch's."""
    copies = [g.copy() for g in gradients]
    got, norm = clip(gradients, limit)
    want, before = torch_clip(copies, limit)
    hint = "One vector, one norm, one factor. And is a short gradient left alone?"
    c.close(
        "norm before", norm, before, hint="Of all arrays together, before clipping."
    )
    c.equal("arrays", len(got), len(copies), hint="One for each that you were given.")
    for g, w, old in zip(got, want, copies, strict=True):
        # torch adds 1e-6 to the norm before it divides.
        c.close(f"gradient {old.shape}", g, w, rtol=1e-5, digits=3, hint=hint)
    same = all(np.array_equal(a, b) for a, b in zip(gradients, copies, strict=True))
    c.true(
        "the caller's arrays are as before",
        same,
        gradients[-1],
        hint="Don't write into them.",
    )
    shared = [np.shares_memory(a, b) for a, b in zip(got, gradients, strict=True)]
    c.equal(
        "shared with the caller",
        sum(shared),
        0,
        hint="New arrays, please: who writes into yours would change the caller's.",
    )


# %% check="clip" points=1
with check("A long gradient") as c:
    compare_clip(c, random_gradients(41), limit=0.5)

# %% check="clip" part="short" points=1
with check("Short ones, and zeros") as c:
    compare_clip(c, random_gradients(42, scale=0.1), limit=2.0)
    got, norm = clip([np.zeros(3), np.zeros((2, 2))], 1.0)
    c.close("zeros", got[0], np.zeros(3), hint="What is 0 / 0?")
    c.close("their norm", norm, 0.0)

# %% check="clip" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Others; five arrays, the first of zeros; one array") as c:
    compare_clip(c, random_gradients(43), limit=3.0)
    compare_clip(c, random_gradients(44, scale=100.0), limit=0.01)
    compare_clip(c, random_gradients(45, scale=3.0), limit=50.0)
    more = random_gradients(46, [(2,), *THREE])
    compare_clip(c, [np.zeros(3), *more], limit=1.5)
    compare_clip(c, random_gradients(47, [(3, 2)]), limit=0.7)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# One factor for all arrays keeps the *direction*: you still go downhill, only not so far. Clipping each array, or each number, on its own bends the
# step. It often works, too, but it is another algorithm.


# %% wrong="clip" why="clips each array on its own" says="One vector, one norm"
def clip(gradients, limit):
    norms = [np.linalg.norm(g.ravel()) for g in gradients]
    clipped = [
        g * min(1, limit / max(n, 1e-12)) for g, n in zip(gradients, norms, strict=True)
    ]
    return clipped, np.linalg.norm(norms)


# %% wrong="clip" why="clips each number" says="One vector, one norm"
def clip(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [np.clip(g, -limit, limit) for g in gradients], norm


# %% wrong="clip" why="makes every gradient as long as the limit, short ones too" says="left alone"
def clip(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * limit / max(norm, 1e-12) for g in gradients], norm


# %% wrong="clip" why="writes into the caller's arrays" says="Don't write into them"
def clip(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    for g in gradients:
        g *= min(1, limit / max(norm, 1e-12))
    return gradients, norm


# %% wrong="clip" why="returns the norm after clipping" says="before clipping"
def clip(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = min(1, limit / max(norm, 1e-12))
    return [factor * g for g in gradients], factor * norm


# %% wrong="clip" why="hands back the caller's own arrays where they are short" says="New arrays"
def clip(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    if norm <= limit:
        return gradients, norm
    return [g * limit / norm for g in gradients], norm


# %% right="clip" why="through one long vector"
def clip(gradients, limit):
    g = np.concatenate([np.ravel(part) for part in gradients])
    norm = np.linalg.norm(g)
    g = g / max(1.0, norm / limit)
    ends = np.cumsum([part.size for part in gradients])[:-1]
    parts = np.split(g, ends)
    return [p.reshape(q.shape) for p, q in zip(parts, gradients, strict=True)], norm


# %% [markdown]
# ## Question 5 · Gates
# ★★ · 35 minutes · 6 points
#
# One step of an LSTM ([Gers et al. 2000](https://doi.org/10.1162/089976600300015015); lecture 11, eq. 8). Let
# $z = W_{ih} x + b_{ih} + W_{hh} h + b_{hh}$, whose $4H$ numbers are, in this order, $z_i, z_f, z_g, z_o$:
#
# $$c' = \sigma(z_f) \odot c + \sigma(z_i) \odot \tanh(z_g), \qquad h' = \sigma(z_o) \odot \tanh(c') \tag{6}$$
#
# And one of a GRU ([Cho et al. 2014](https://arxiv.org/abs/1406.1078), as in PyTorch; lecture 11, eq. 9). Let $a = W_{ih} x + b_{ih}$ and
# $d = W_{hh} h + b_{hh}$, each with $3H$ numbers, in the order $r, z, n$:
#
# $$r = \sigma(a_r + d_r), \quad z = \sigma(a_z + d_z), \quad n = \tanh(a_n + r \odot d_n), \quad
# h' = (1 - z) \odot n + z \odot h \tag{7}$$
#
# Both must equal PyTorch's, with PyTorch's weights, for large inputs and cells too. Return new arrays.
#
# <details><summary>Hint 1</summary>
#
# `np.split(z, 4, axis=1)` cuts a $(B, 4H)$ array into its parts. The logistic function is `expit`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In the GRU you can't add $a$ and $d$ first: $r$ acts on $d_n$ alone, bias included. And which of new and old does $z$ keep?
#
# </details>


# %% answer="gates"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    """One step of an LSTM.

    Args:
        x: (B, N), h and c: (B, H).
        W_ih: (4H, N), W_hh: (4H, H), b_ih and b_hh: (4H,).

    Returns:
        The new h and c, each (B, H).

    Example: all weights 0, h 0, c [[2.]] -> [[.3808]], [[1.]]
    """
    # BEGIN SOLUTION
    z_i, z_f, z_g, z_o = np.split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
    c = expit(z_f) * c + expit(z_i) * np.tanh(z_g)
    return expit(z_o) * np.tanh(c), c
    # END SOLUTION


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    """One step of a GRU.

    Args:
        x: (B, N), h: (B, H).
        W_ih: (3H, N), W_hh: (3H, H), b_ih and b_hh: (3H,).

    Returns:
        The new h, (B, H).

    Example: all weights 0, h [[2.]] -> [[1.]]
    """
    # BEGIN SOLUTION
    a_r, a_z, a_n = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    d_r, d_z, d_n = np.split(h @ W_hh.T + b_hh, 3, axis=1)
    r, z = expit(a_r + d_r), expit(a_z + d_z)
    return (1 - z) * np.tanh(a_n + r * d_n) + z * h
    # END SOLUTION


# %%
def random_cell(kind, seed, B, N, H):
    """A torch cell with random weights; x, h, c; copies of the weights, read-only."""
    rng = np.random.default_rng(seed)
    cell = getattr(nn, kind)(N, H).double()
    with torch.no_grad():
        for weight in cell.parameters():
            weight.copy_(torch.tensor(rng.normal(size=weight.shape)))
    x, h, c = (rng.normal(size=(B, size)) for size in (N, H, H))
    weights = [weight.numpy().copy() for weight in cell.parameters()]
    return cell, *fixed(x, h, c), fixed(*weights)


# %% check="gates" part="lstm" points=2
with check("An LSTM's step, against nn.LSTMCell") as c:
    cell, x, h, memory, weights = random_cell("LSTMCell", 51, B=2, N=3, H=4)
    got_h, got_c = lstm_step(x, h, memory, *weights)
    want_h, want_c = cell(torch.tensor(x), (torch.tensor(h), torch.tensor(memory)))
    c.close(
        "c",
        got_c,
        want_c,
        hint="Which quarter of z is which? Which gate keeps, which adds?",
    )
    c.close("h", got_h, want_h, hint="Does the output see the new cell, through tanh?")

# %% check="gates" part="gru" points=2
with check("A GRU's step, against nn.GRUCell") as c:
    cell, x, h, _, weights = random_cell("GRUCell", 52, B=2, N=3, H=4)
    want = cell(torch.tensor(x), torch.tensor(h))
    c.close(
        "h", gru_step(x, h, *weights), want, hint="Where does r act? What does z keep?"
    )

# %% check="gates" part="sequence" points=1
with check("Eight steps, against nn.LSTM and nn.GRU") as c:
    x, zeros = fixed(np.random.default_rng(53).normal(size=(8, 2, 3)), np.zeros((2, 4)))
    for kind, step in [("LSTM", lstm_step), ("GRU", gru_step)]:
        _, _, _, _, weights = random_cell(f"{kind}Cell", 54, B=2, N=3, H=4)
        net = getattr(nn, kind)(3, 4).double()
        with torch.no_grad():
            for weight, array in zip(net.parameters(), weights, strict=True):
                weight.copy_(torch.tensor(array))
        state = (zeros,) * (2 if kind == "LSTM" else 1)
        for x_t in x:
            new = step(x_t, *state, *weights)
            state = new if kind == "LSTM" else (new,)
        want = net(torch.tensor(x))[0][-1]
        c.close(
            f"{kind}, last h",
            state[0],
            want,
            hint="Does each step return (h, c) or h, in this order?",
        )

# %% check="gates" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other sizes; large inputs, large cells") as c:
    for seed, B, size, H, scale in [
        (55, 1, 2, 1, 1),
        (56, 3, 5, 2, 1),
        (57, 2, 3, 4, 200),
    ]:
        cell, x, h, memory, weights = random_cell("LSTMCell", seed, B, size, H)
        x, memory = fixed(5 * scale * x, scale * memory)
        want = cell(torch.tensor(x), (torch.tensor(h), torch.tensor(memory)))
        got = lstm_step(x, h, memory, *weights)
        c.close("LSTM h", got[0], want[0])
        c.close("LSTM c", got[1], want[1])
        cell, x, h, _, weights = random_cell("GRUCell", seed, B, size, H)
        (x,) = fixed(5 * scale * x)
        want = cell(torch.tensor(x), torch.tensor(h))
        c.close("GRU h", gru_step(x, h, *weights), want)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The two biases of the LSTM only ever appear as a sum: PyTorch keeps both for the sake of its GPU library, and one is wasted. In the GRU they
# differ, because $r$ stands between them. Cho et al. multiply $r$ with $h$ *before* the product with $W$; PyTorch after, so that all of $d$ is one product.
#
# $z = 1$ keeps the *old* state here. In some papers it is the other way round. When you port weights, this is where it breaks.


# %% wrong="gates" why="takes the parts in the order i, f, o, g" says="Which quarter of z"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    z_i, z_f, z_o, z_g = np.split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
    c = expit(z_f) * c + expit(z_i) * np.tanh(z_g)
    return expit(z_o) * np.tanh(c), c


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    a_r, a_z, a_n = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    d_r, d_z, d_n = np.split(h @ W_hh.T + b_hh, 3, axis=1)
    r, z = expit(a_r + d_r), expit(a_z + d_z)
    return (1 - z) * np.tanh(a_n + r * d_n) + z * h


# %% wrong="gates" why="shows the old cell, not the new one" says="Does the output see"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    z_i, z_f, z_g, z_o = np.split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
    return expit(z_o) * np.tanh(c), expit(z_f) * c + expit(z_i) * np.tanh(z_g)


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    a_r, a_z, a_n = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    d_r, d_z, d_n = np.split(h @ W_hh.T + b_hh, 3, axis=1)
    r, z = expit(a_r + d_r), expit(a_z + d_z)
    return (1 - z) * np.tanh(a_n + r * d_n) + z * h


# %% wrong="gates" why="z keeps the new state, not the old one" says="What does z keep"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    z_i, z_f, z_g, z_o = np.split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
    c = expit(z_f) * c + expit(z_i) * np.tanh(z_g)
    return expit(z_o) * np.tanh(c), c


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    a_r, a_z, a_n = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    d_r, d_z, d_n = np.split(h @ W_hh.T + b_hh, 3, axis=1)
    r, z = expit(a_r + d_r), expit(a_z + d_z)
    return z * np.tanh(a_n + r * d_n) + (1 - z) * h


# %% wrong="gates" why="the reset gate acts on h, before the product" says="Where does r act"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    z_i, z_f, z_g, z_o = np.split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
    c = expit(z_f) * c + expit(z_i) * np.tanh(z_g)
    return expit(z_o) * np.tanh(c), c


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    a_r, a_z, a_n = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    W_r, W_z, W_n = np.split(W_hh, 3)
    b_r, b_z, b_n = np.split(b_hh, 3)
    r, z = expit(a_r + h @ W_r.T + b_r), expit(a_z + h @ W_z.T + b_z)
    return (1 - z) * np.tanh(a_n + (r * h) @ W_n.T + b_n) + z * h


# %% right="gates" why="gate by gate, each with its own slice of the weights"
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    H = h.shape[1]

    def part(k):
        rows = slice(k * H, (k + 1) * H)
        return x @ W_ih[rows].T + h @ W_hh[rows].T + (b_ih + b_hh)[rows]

    def sigma(z):
        return (1 + np.tanh(z / 2)) / 2

    new = sigma(part(1)) * c + sigma(part(0)) * np.tanh(part(2))
    return sigma(part(3)) * np.tanh(new), new


def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    H = h.shape[1]
    a, d = x @ W_ih.T + b_ih, h @ W_hh.T + b_hh
    r, z = np.hsplit(expit(a[:, : 2 * H] + d[:, : 2 * H]), 2)
    n = np.tanh(a[:, 2 * H :] + r * d[:, 2 * H :])
    return n + z * (h - n)


# %% [markdown]
# ## Question 6 · Padding
# ★★★ · 45 minutes · 6 points
#
# Sentences have different lengths, arrays have not. So a batch is **padded**: sequence $j$ has $\ell_j$ real steps, and what stands after them means
# nothing. It may hold *anything*: zeros, a token, even `nan`. Nothing of it may reach a result.
#
# The network is (1) with $h_0 = 0$. A **mask** $m_{t,j}$ is true where $t \le \ell_j$ (in code, where `t` begins at 0: `t < lengths[j]`). A sequence that has ended keeps its state:
#
# $$h_{t,j} = \tanh(W_{ih}\, x_{t,j} + W_{hh}\, h_{t-1,j} + b) \ \text{ if } m_{t,j}, \quad \text{else } \ h_{t-1,j} \tag{8}$$
#
# So $h_{T,j}$ is the state after the last *real* step. A loss looks at this state alone, and its gradient $g$ is given.
#
# 1. `padded` returns $h_T$ and the gradients of $W_{ih}$, $W_{hh}$ and $b$. Derive what (2) becomes where the mask is false: what is $\delta$ there, and what
#    is handed on to $t - 1$?
# 2. `reverse` is what a bidirectional network needs: turn each sequence round *within its length*, so that its last real
#    step comes first. Its padding stays where it is.
#
# No autograd. And let the batch stay a batch: a loop over sequences gives the same numbers, and no check objects, but its time grows with $B$. Some
# batches have no padding after their longest sequence.
#
# <details><summary>Hint 1</summary>
#
# `np.where(mask, a, b)` chooses; `mask * a` multiplies. What is `0 * nan`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A masked step is the identity. Its Jacobian with respect to $h_{t-1}$ is the identity, too, and that with respect to the weights is 0. A product like `delta.T @ x[t]` sums
# over the batch, padding included: clean `x` once, before you start.
#
# </details>


# %% answer="padding"
def padded(x, lengths, W_ih, W_hh, b, g):
    """Last real states (B, H), and the gradients of W_ih, W_hh and b as a dict.

    x: (T, B, N), lengths: (B,) integers from 1 to T; x[t, j] is padding for t >= lengths[j].
    g: (B, H), the loss's gradient at the last real states.

    Example: x [[[1.]], [[nan]]], lengths [1], W_ih [[1.]], W_hh [[1.]], b [0.], g [[1.]]
        -> [[.7616]], {"W_ih": [[.42]], "W_hh": [[0.]], "b": [.42]}
    """
    # BEGIN SOLUTION
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]  # (T, B, 1)
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))

    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = np.where(mask[t], delta @ W_hh, g)
    return states[-1], d
    # END SOLUTION


def reverse(x, lengths):
    """Each sequence (T, B, N) from its last real step to its first, then its padding.

    Example: a sequence 1, 2, 3, 0, 0 with length 3 -> 3, 2, 1, 0, 0
    """
    # BEGIN SOLUTION
    t = np.arange(len(x))[:, None]
    source = np.where(t < lengths, np.asarray(lengths) - 1 - t, t)  # (T, B)
    return np.take_along_axis(x, source[:, :, None], axis=0)
    # END SOLUTION


# %%
@torch.enable_grad()
def torch_padded(x, lengths, W_ih, W_hh, b, g):
    """The same by nn.RNN, which reads a packed batch: real steps only."""
    net = torch_rnn(W_ih, W_hh, b)
    packed = pack_padded_sequence(
        torch.tensor(x), torch.tensor(lengths), enforce_sorted=False
    )
    last = net(packed)[1][0]
    (last * torch.tensor(g)).sum().backward()
    names = ("W_ih", "W_hh", "b")
    d = zip(names, (weight.grad.numpy() for weight in net.parameters()), strict=False)
    return last.detach().numpy(), dict(d)


def random_batch(seed, lengths, N, H, padding=None, more=1):
    """A batch with random padding, or the padding named; `more` steps than the longest."""
    x, _, W_ih, W_hh, b = random_rnn(seed, max(lengths) + more, len(lengths), N, H)
    x = x.copy()
    if padding is not None:
        for j, length in enumerate(lengths):
            x[length:, j] = padding
    g = np.random.default_rng(seed + 100).normal(size=(len(lengths), H))
    x, lengths, g = fixed(x, np.array(lengths), g)
    return x, lengths, W_ih, W_hh, b, g


def compare_gradients(c, batch):
    """Compare your gradients with those of a packed batch."""
    got, want = padded(*batch)[1], torch_padded(*batch)[1]
    for name, of in [
        ("b", "which δ"),
        ("W_hh", "which state"),
        ("W_ih", "which input"),
    ]:
        hint = (
            f"What does a masked step hand on, and {of} of the padding is in the sum?"
        )
        c.close(f"∂L/∂{name}", got[name], want[name], hint=hint)


# %% check="padding" part="states" points=1
with check("Last real states: lengths 4, 1, 6, 3 of 7 steps, random padding") as c:
    batch = random_batch(61, [4, 1, 6, 3], N=2, H=3)
    c.close(
        "states",
        padded(*batch)[0],
        torch_padded(*batch)[0],
        hint="Is it the state after the last real step, and kept?",
    )

# %% check="padding" part="gradients" points=2
with check("Gradients through the same batch, and through one of 12 sequences") as c:
    compare_gradients(c, random_batch(61, [4, 1, 6, 3], N=2, H=3))
    compare_gradients(
        c, random_batch(62, [5, 2, 9, 9, 1, 3, 7, 4, 4, 2, 8, 6], N=3, H=4)
    )

# %% check="padding" part="nan" points=1
with check("Padding full of nan") as c:
    batch = random_batch(63, [2, 5, 3], N=2, H=3, padding=np.nan)
    got, gradients = padded(*batch)
    hint = "What is 0 * nan? Look at every product and sum that padding takes part in."
    c.close("states", got, torch_padded(*batch)[0], hint=hint)
    for name in ("W_ih", "W_hh", "b"):
        c.close(
            f"∂L/∂{name}", gradients[name], torch_padded(*batch)[1][name], hint=hint
        )

# %% check="padding" part="reverse" points=1
with check("Turned round within its length") as c:
    x, lengths = random_batch(64, [3, 5, 1, 4], N=2, H=2, padding=-9.0)[:2]
    got = reverse(x, lengths)
    hint = "Which step comes first? Where does the padding end up?"
    for j, length in enumerate(lengths):
        want = [*x[:length, j][::-1], *x[length:, j]]
        c.close(f"length {length}", np.asarray(got)[:, j], want, hint=hint, digits=3)

# %% check="padding" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Others: inf, equal lengths, one sequence, no step to spare") as c:
    for seed, lengths, padding, more in [
        (65, [3, 8, 1, 8], np.inf, 0),
        (66, [4, 4], np.nan, 1),
        (67, [5], 1e6, 2),
        (69, [1], 0.0, 0),
    ]:
        batch = random_batch(seed, lengths, 3, 2, padding, more)
        c.close("states", padded(*batch)[0], torch_padded(*batch)[0])
        compare_gradients(c, batch)
    for seed, padding, more in [(68, None, 0), (70, np.nan, 2)]:
        x, lengths = random_batch(seed, [2, 6, 3], 1, 2, padding, more)[:2]
        want = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
        c.close("reversed", reverse(x, lengths), np.stack(want, axis=1))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# A masked step is $h_t = h_{t-1}$. So $\delta = 0$ there, for the weights had no part in it, and the gradient is handed on *unchanged*, not as $W_{hh}^\top \delta$, which would be 0:
# then nothing would ever reach the real steps of a short sequence. In all, `g` waits until its sequence begins, seen from the end.
#
# Zero times `nan` is `nan`, so a mask must *choose*, and it must do so before `delta.T @ x[t]` sums over the batch. It looks far-fetched until a padded attention score is $-\infty$, or a
# buffer holds what was in memory before.
#
# PyTorch's `pack_padded_sequence` goes further: it sorts by length and computes real steps only. How much is saved? Here 12 sequences of 1 to 9 steps
# hold 60 real steps of 120: half of the work was padding. Batches of like lengths save it, too.


# %% wrong="padding" why="returns the state after the padding" says="after the last real step"
def padded(x, lengths, W_ih, W_hh, b, g):
    states = [np.zeros_like(g)]
    for x_t in x:
        states.append(np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t + 1] ** 2) * g
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = delta @ W_hh
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="sets the state to zero at padding instead of keeping it" says="and kept"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        states.append(real * np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = np.where(mask[t], delta @ W_hh, g)
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="hands on nothing at a masked step: short sequences teach nothing" says="What does a masked step hand on"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = delta @ W_hh
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="masks the states, but not the way back" says="of the padding is in the sum"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = (1 - states[t + 1] ** 2) * g
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = delta @ W_hh
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="multiplies by the mask, and leaves the padding in x" says="nan"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(real * new + (1 - real) * states[-1])
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = mask[t] * (1 - states[t + 1] ** 2) * g
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = mask[t] * (delta @ W_hh) + (1 - mask[t]) * g
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="reverses the whole array: padding comes first" says="Where does the padding end up"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = np.where(mask[t], delta @ W_hh, g)
    return states[-1], d


def reverse(x, lengths):
    return x[::-1].copy()


# %% wrong="padding" why="cleans the caller's own x" says="read-only"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x[~mask[:, :, 0]] = 0
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = np.where(mask[t], delta @ W_hh, g)
    return states[-1], d


def reverse(x, lengths):
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% wrong="padding" why="cleans the padding of what it only had to turn" says="0.000"
def padded(x, lengths, W_ih, W_hh, b, g):
    mask = np.arange(len(x))[:, None, None] < np.asarray(lengths)[:, None]
    x = np.where(mask, x, 0)
    states = [np.zeros_like(g)]
    for x_t, real in zip(x, mask, strict=True):
        new = np.tanh(x_t @ W_ih.T + states[-1] @ W_hh.T + b)
        states.append(np.where(real, new, states[-1]))
    d = {"W_ih": 0, "W_hh": 0, "b": 0}
    for t in reversed(range(len(x))):
        delta = np.where(mask[t], (1 - states[t + 1] ** 2) * g, 0)
        d["W_ih"] = d["W_ih"] + delta.T @ x[t]
        d["W_hh"] = d["W_hh"] + delta.T @ states[t]
        d["b"] = d["b"] + delta.sum(axis=0)
        g = np.where(mask[t], delta @ W_hh, g)
    return states[-1], d


def reverse(x, lengths):
    x = np.nan_to_num(x)
    columns = [[*x[:n, j][::-1], *x[n:, j]] for j, n in enumerate(lengths)]
    return np.stack(columns, axis=1)


# %% right="padding" why="only the rows that are alive, by their indices"
def padded(x, lengths, W_ih, W_hh, b, g):
    lengths, g = np.asarray(lengths), g.copy()
    alive = [np.flatnonzero(lengths > t) for t in range(len(x))]
    h, before, after = np.zeros_like(g), [], []
    for x_t, rows in zip(x, alive, strict=True):
        before.append(h[rows])
        h[rows] = np.tanh(x_t[rows] @ W_ih.T + h[rows] @ W_hh.T + b)
        after.append(h[rows])
    deltas = []
    for t in range(len(x) - 1, -1, -1):
        deltas.insert(0, (1 - after[t] ** 2) * g[alive[t]])
        g[alive[t]] = deltas[0] @ W_hh
    delta = np.concatenate(deltas)
    inputs = np.concatenate([x_t[rows] for x_t, rows in zip(x, alive, strict=True)])
    gradients = {"W_ih": delta.T @ inputs, "W_hh": delta.T @ np.concatenate(before)}
    return h, gradients | {"b": delta.sum(axis=0)}


def reverse(x, lengths):
    turned = x.copy()
    for j, length in enumerate(lengths):
        turned[:length, j] = x[:length, j][::-1]
    return turned


# %% [markdown]
# **Defend it** (no points, five lines). You train on sentences of 5 to 200 words, 64 in a batch. Pad to the longest, sort by length, or cut at 50? Say what each does to the
# time of an epoch, to the order of the examples, and to what the network can learn. Which would you measure first?
#
# ## What you have built
#
# A recurrent network with its whole backward pass, its memory measured, its gradient clipped, its gates, and its masks. PyTorch does the same,
# faster. In lecture 12 it reads two million words.
#
# **References.**
# [Werbos 1990](https://doi.org/10.1109/5.58337), backpropagation through time ·
# [Pascanu et al. 2013](https://arxiv.org/abs/1211.5063), the Jacobian and clipping ·
# [Gers et al. 2000](https://doi.org/10.1162/089976600300015015), the LSTM with a forget gate ·
# [Cho et al. 2014](https://arxiv.org/abs/1406.1078), the GRU.
