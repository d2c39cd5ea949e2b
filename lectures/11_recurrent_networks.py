# %% [markdown]
# # 11 · Recurrent networks: how long is a memory?
#
# **The question.** An n-gram model forgets everything but a few words. Can a network of fixed size
# read a text of any length, and remember what matters?
#
# **The answer of this lecture.** Apply one function again and again, and let it hand a state to
# itself. The gradient of such a loop is a long product, so it vanishes or explodes. Gates mend that.
#
# By the end you can do backpropagation through time by hand, predict when it fails, clip it, and
# build an RNN, an LSTM and a GRU that equal PyTorch's, weight for weight.
#
# *You need* lectures 08 and 09; section 8 uses the perplexity of 07. *It takes* about half a minute on two CPU cores. Throughout,
# `np` is the traced NumPy of `helpers.autodiff`. Trained numbers differ between machines, so the cells print ranges.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot
from tqdm import tqdm

from helpers import plots
from helpers.autodiff import grad, jacobian, value_and_grad
from helpers.autodiff import numpy as np
from helpers.device import seed_everything
from helpers.rnn import Recurrent

rng = seed_everything(11)
torch.set_num_threads(1)  # the networks are small: sharing them out costs more
plots.use_style()


def claim(what, value, low, high):
    """Print the range that a trained number must lie in; fail when it does not."""
    assert low < value < high, f"{what}: {value}"
    print(f"{what}: between {low:g} and {high:g}")


# %% [markdown]
# ## 1 · One function, again and again
#
# A **recurrent network** keeps a vector, the **hidden state** $h_t$. At each time $t$ it
# makes a new state from the old one and the input $x_t$
# ([Elman 1990](https://doi.org/10.1207/s15516709cog1402_1)):
#
# $$h_t = \tanh(W_{ih}\, x_t + W_{hh}\, h_{t-1} + b) \tag{1}$$
#
# The weights are the same at every step. So the network has a fixed size, and reads any length.
#
# Start with a state of one number and three steps: $h_t = \tanh(u x_t + w h_{t-1})$ and $h_0 = 0$.
# At the end it should say $y$, so $L = \tfrac12 (h_3 - y)^2$. Now differentiate by hand. Call
# $\delta_t = \partial L / \partial z_t$ the gradient at $z_t = u x_t + w h_{t-1}$. Since
# $\tanh' = 1 - \tanh^2$, the chain rule walks from the last step to the first:
#
# $$\delta_3 = (h_3 - y)(1 - h_3^2), \qquad \delta_t = w\, \delta_{t+1} (1 - h_t^2) \tag{2}$$
#
# $$\frac{\partial L}{\partial w} = \sum_{t=1}^{3} \delta_t\, h_{t-1}, \qquad
# \frac{\partial L}{\partial u} = \sum_{t=1}^{3} \delta_t\, x_t \tag{3}$$
#
# It is a *sum*, because $w$ was used three times. This is **backpropagation through time**, BPTT
# ([Werbos 1990](https://doi.org/10.1109/5.58337)).
#
# **Predict before you run.** The only input is at the first step: $x = (1, 0, 0)$, with $u = 1$, $w = \tfrac12$, $y = 1$.
# Which $\delta$ is the smallest? By what factor, roughly, per step?

# %%
u, w, y, x = 1.0, 0.5, 1.0, [1.0, 0.0, 0.0]
h1 = np.tanh(u * x[0])
h2 = np.tanh(u * x[1] + w * h1)
h3 = np.tanh(u * x[2] + w * h2)

d3 = (h3 - y) * (1 - h3**2)
d2 = w * d3 * (1 - h2**2)
d1 = w * d2 * (1 - h1**2)
by_hand = [d1 * x[0] + d2 * x[1] + d3 * x[2], d2 * h1 + d3 * h2]  # h_0 = 0
print(f"h: {h1:.4f} {h2:.4f} {h3:.4f}    δ: {d1:.4f} {d2:.4f} {d3:.4f}")
print(f"∂L/∂u = {by_hand[0]:.4f}, ∂L/∂w = {by_hand[1]:.4f}")

# %% [markdown]
# $\delta_1$ is the smallest: each step back costs a factor $w(1 - h^2) < \tfrac12$.
# Both engines, lecture 08's and PyTorch's, get the same two numbers from the program alone.


# %%
def three_steps(u, w, tanh=np.tanh):
    h = 0.0
    for x_t in x:
        h = tanh(u * x_t + w * h)
    return 0.5 * (h - y) ** 2


weights = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (u, w)]
three_steps(*weights, tanh=torch.tanh).backward()
print("by hand ", *(f"{g:.6f}" for g in by_hand))
print("autodiff", *(f"{g:.6f}" for g in grad(three_steps, argnum=(0, 1))(u, w)))
print("torch   ", *(f"{v.grad.item():.6f}" for v in weights))

# %% [markdown]
# ## 2 · A network that needs its past
#
# Elman's first task is a stream of bits: two random ones, then their exclusive or, then two
# random ones, and so on. Predict the next bit. A network without memory can't do better than a
# coin: the answer needs two bits *and* the place in the triple. Here is (1) with a
# hidden state of 16, many sequences at once as rows. The rows are why $W$ stands on the right,
# transposed.

# %%
H = 16


def new_rnn():
    scale = 1 / np.sqrt(H)
    return {
        "W_ih": rng.normal(size=(H, 1)),
        "W_hh": scale * rng.normal(size=(H, H)),
        "b": np.zeros(H),
        "v": scale * rng.normal(size=H),
    }


def rnn(p, x):  # (time, batch, 1) -> (time, batch, H)
    h, states = np.zeros((x.shape[1], H)), []
    for x_t in x:
        h = np.tanh(x_t @ p["W_ih"].T + h @ p["W_hh"].T + p["b"])
        states.append(h)
    return np.stack(states)


# %% [markdown]
# From each state a logit $z = v \cdot h_t$ for the next bit, and the cross-entropy $\log(1 + e^{-z})$ if that bit
# is 1, $\log(1 + e^{z})$ if it is 0.


# %%
def xor_stream(batch, triples=8):  # (3 triples, batch, 1)
    a, b = rng.integers(0, 2, size=(2, triples, batch))
    return np.stack([a, b, a ^ b], axis=1).reshape(3 * triples, batch, 1) * 1.0


def losses(p, x):  # (time - 1, batch)
    z = rnn(p, x[:-1]) @ p["v"]
    return np.logaddexp(0, (1 - 2 * x[1:, :, 0]) * z)


print("the first bits:", xor_stream(1)[:12, 0, 0].astype(int))

# %% [markdown]
# **Predict before you run.** Train it with Adam (lecture 09). What is the best loss possible on the first, the second and
# the third bit of a triple?

# %%
p = new_rnn()
m, s = dict.fromkeys(p, 0.0), dict.fromkeys(p, 0.0)
loss_and_gradient = value_and_grad(lambda p, x: np.mean(losses(p, x)))
for step in tqdm(range(1, 401), leave=False):
    _, g = loss_and_gradient(p, xor_stream(32))
    for k in p:
        m[k] = 0.9 * m[k] + 0.1 * g[k]
        s[k] = 0.99 * s[k] + 0.01 * g[k] ** 2
        m_hat, s_hat = m[k] / (1 - 0.9**step), s[k] / (1 - 0.99**step)
        p[k] = p[k] - 0.01 * m_hat / (np.sqrt(s_hat) + 1e-8)

# %%
by_place = losses(p, xor_stream(500)).mean(axis=1)  # of bits 2, 3, 4, …
print(f"a coin: log 2 = {np.log(2):.3f}")
claim("first bits ", by_place[2::3].mean(), 0.67, 0.75)
claim("second bits", by_place[0::3].mean(), 0.67, 0.75)
claim("third bits ", by_place[1::3].mean(), 0, 0.1)

# %% [markdown]
# The first two are coins, and stay coins. The third is known. The state has learned to count to three and
# to hold two bits. Nobody told it to.
#
# Now PyTorch. Give `nn.RNN` our weights, and it must compute the same losses and the same gradients. (It
# has two biases that add up; leave one at zero.)

# %%
x = xor_stream(32)
torch_rnn = nn.RNN(1, H).double()
names = {"weight_ih_l0": "W_ih", "weight_hh_l0": "W_hh", "bias_hh_l0": "b"}
state = {name: torch.tensor(p[ours]) for name, ours in names.items()}
torch_rnn.load_state_dict(state | {"bias_ih_l0": torch.zeros(H)})
v, bits = torch.tensor(p["v"]), torch.tensor(x)
z = torch_rnn(bits[:-1])[0] @ v
loss = nn.functional.binary_cross_entropy_with_logits(z, bits[1:, :, 0])
loss.backward()

value, g = loss_and_gradient(p, x)
theirs = dict(torch_rnn.named_parameters())
print("loss equal:", np.isclose(loss.item(), value))
for name, ours in names.items():
    print(f"∂L/∂{ours} equal:", np.allclose(theirs[name].grad.numpy(), g[ours]))

# %% [markdown]
# ## 3 · The temporal Jacobian
#
# XOR needs two steps of memory. What of fifty? How much does the last state depend on an early one? That is the
# **temporal Jacobian** $\partial h_T / \partial h_t$, a matrix. By (1) one step contributes
# $D_k W_{hh}$, where $D_k$ is diagonal with $1 - h_k^2$, and the chain rule multiplies
# ([Pascanu et al. 2013](https://arxiv.org/abs/1211.5063), eq. 5):
#
# $$\frac{\partial h_T}{\partial h_t} = D_T W_{hh}\, D_{T-1} W_{hh} \cdots D_{t+1} W_{hh},
# \qquad D_k = \operatorname{diag}(1 - h_k^2) \tag{4}$$


# %%
def run(W, steps):
    """States (steps + 1, n) from zero, with small random inputs."""
    h = [np.zeros(len(W))]
    for _ in range(steps):
        h.append(np.tanh(W @ h[-1] + 0.1 * rng.normal(size=len(W))))
    return np.array(h)


def jacobians(W, h):
    """∂h_T/∂h_t for t = T, T - 1, …, 0 by (4)."""
    J = [np.eye(len(W))]
    for h_k in h[:0:-1]:
        J.append(J[-1] @ ((1 - h_k**2)[:, None] * W))
    return J


# %% [markdown]
# Does the engine agree? Let it differentiate five steps.

# %%
W = rng.normal(size=(6, 6)) / 2
inputs = rng.normal(size=(5, 6))


def last_state(h):
    for x_t in inputs:
        h = np.tanh(W @ h + x_t)
    return h


h = [np.zeros(6)]
for x_t in inputs:
    h.append(np.tanh(W @ h[-1] + x_t))
J = jacobians(W, np.array(h))[-1]
print("(4) equals autodiff:", np.allclose(J, jacobian(last_state)(h[0])))

# %% [markdown]
# The size of a matrix is its largest **singular value**, the most by which it stretches any vector:
# $\lVert A \rVert = \max_{v} \lVert A v \rVert / \lVert v \rVert$. Write $\sigma_{\max}$ for that of $W_{hh}$.
# Take a rotation (all its singular values are 1), and multiply it by 0.8, 1 and 1.5. As a fourth, take a
# Gaussian matrix, scaled so that $\sigma_{\max} = 1.5$, too.
#
# **Predict before you run.** What becomes of $\lVert \partial h_T / \partial h_t \rVert$ over 50 steps
# in each case? Is the fourth like the third?

# %%
n, T = 50, 50
rotation = np.linalg.qr(rng.normal(size=(n, n)))[0]
gauss = rng.normal(size=(n, n))
gauss = gauss / np.linalg.norm(gauss, 2)
cases = [(0.8, rotation), (1.0, rotation), (1.5, rotation), (1.5, gauss)]
norms = []
for s_max, M in cases:
    W = s_max * M
    norms.append([np.linalg.norm(J, 2) for J in jacobians(W, run(W, T))])
for (s_max, _), norm in zip(cases, norms, strict=True):
    print(
        f"σ_max = {s_max}: at most σ_max^(T - t):",
        np.all(norm <= s_max ** np.arange(T + 1) + 1e-9),
    )
print()
claim("σ_max 0.8          ", norms[0][T], 1e-7, 2e-5)
claim("σ_max 1            ", norms[1][T], 1e-3, 1)
claim("σ_max 1.5, rotation", norms[2][T], 10, 1e6)
claim("σ_max 1.5, Gaussian", norms[3][T], 1e-9, 1e-3)
radius = abs(np.linalg.eigvals(1.5 * gauss)).max()
print(f"largest |eigenvalue| of this Gaussian: {radius:.2f}")

# %% [markdown]
# The picture shows the norm of the Jacobian against the distance $T - t$, on a logarithmic axis, in three panels, with
# the bound $\sigma_{\max}^{T-t}$ (proved below) as a dashed line. For 0.8 it falls on a straight line just below the bound. For 1 it declines slowly. For
# 1.5 the rotation explodes, less than the bound allows, while the Gaussian matrix vanishes.

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True)
for ax, k in zip(axes, range(3), strict=True):
    s_max = cases[k][0]
    ax.semilogy(norms[k], label="rotation")
    ax.semilogy(s_max ** np.arange(T + 1), "k--", lw=1, label="bound")
    ax.set(title=rf"$\sigma_{{\max}} = {s_max}$", xlabel="$T - t$", ylim=(1e-8, 1e10))
axes[2].semilogy(norms[3], ":", label="Gaussian")
axes[0].set_ylabel(r"$\|\partial h_T / \partial h_t\|$")
axes[2].legend()
plt.show()

# %% [markdown]
# You have seen it; the proof takes one line. The norm of a product is at most the product of the norms. That of
# $D_k$ is at most $\gamma = \max \tanh' = 1$ (for the logistic function, $\gamma = \tfrac14$):
#
# $$\Bigl\lVert \frac{\partial h_T}{\partial h_t} \Bigr\rVert \le \prod_{k=t+1}^{T} \lVert D_k \rVert\, \lVert W_{hh} \rVert
# \le (\gamma\, \sigma_{\max})^{T-t} \tag{5}$$
#
# So $\sigma_{\max} < 1/\gamma$ is *enough* to make the gradient **vanish**: exponentially fast, whatever the inputs.
# To **explode**, it *needs* $\sigma_{\max} > 1/\gamma$, but that is not enough, as the Gaussian shows.
# Many steps repeat a matrix, and what grows under repetition is set by its largest |eigenvalue|, the **spectral radius**. For the
# rotation it is 1.5, too. For a large Gaussian it is about half of $\sigma_{\max}$, here 0.85: it stretches some
# vectors, but then turns them to where it shrinks.
#
# A vanished gradient is not zero as a whole. $\partial L/\partial W$ is a sum like (3). Its last terms hold few factors
# of (4), or none, as $\delta_3 h_2 = -0.29$ in section 1. What is missing are the early ones. So the network learns, but only
# from the near past.
#
# ## 4 · The cliff
#
# An exploding gradient is easier to see. Take one unit, 50 steps, no input, and ask for 0.7 at the end
# (after Pascanu et al. 2013, section 2.3):
#
# $$h_t = \sigma(w h_{t-1} + b), \quad h_0 = \tfrac12, \qquad L(w, b) = (h_{50} - 0.7)^2 \tag{6}$$
#
# Here $\sigma(a) = 1/(1 + e^{-a})$, without an index, is the logistic function.
# With $w > 4$ and $b$ near $-w/2$ the unit is a switch, and ends high or low. Where it tips, the loss has a step. When the gradient
# is too long there, keep its direction and cut its length, **clipping by norm** (their algorithm 1):
#
# $$g \leftarrow g \cdot \min\Bigl(1, \frac{\text{limit}}{\lVert g \rVert}\Bigr) \tag{7}$$


# %%
def cliff(w, b):
    h = 0.5
    for _ in range(50):
        h = 1 / (1 + np.exp(-(w * h + b)))
    return (h - 0.7) ** 2


def descend(limit, steps=100):
    """Gradient descent with rate 1: points (steps, 2) and lengths of the gradient."""
    at, path, lengths = np.array([5.5, -2.5]), [], []
    for _ in range(steps):
        g = np.array(grad(cliff, argnum=(0, 1))(*at))
        lengths.append(np.linalg.norm(g))
        path.append(at)
        at = at - g * min(1, limit / lengths[-1])
    return np.array(path), np.array(lengths)


# %% [markdown]
# **Predict before you run.** At the start the gradient is 0.06 long. How long is it at $w = 6.5$, $b = -3.25$? Hint: there
# $h = \tfrac12$ stays $\tfrac12$, and $\sigma' = \tfrac14$.

# %%
free, free_lengths = descend(limit=np.inf)
clipped, clipped_lengths = descend(limit=0.2)
print(f"at the start: loss {cliff(*free[0]):.2f}, gradient {free_lengths[0]:.2f}")
steepest = np.linalg.norm(grad(cliff, argnum=(0, 1))(6.5, -3.25))
print(f"on the edge, at w = 6.5, b = -3.25: gradient 10^{np.log10(steepest):.0f}")
claim("longest step without clipping", free_lengths.max(), 4, 8)
claim("gradient at the end, without clipping", free_lengths[-1], 0, 1e-3)
claim("loss at the end, without clipping", cliff(*free[-1]), 0.08, 0.1)
claim("loss at the end, with clipping   ", cliff(*clipped[-1]), 0, 0.02)

# %% [markdown]
# On that edge each of the 50 steps multiplies by $w/4 = 1.625$, and $1.625^{50} \approx 3.5 \cdot 10^{10}$. Without clipping, one
# step lands where the gradient is nearly 0: it stays there, at a loss of 0.09, above the 0.05 of the start.
#
# The picture shows the loss as a surface on the left: a plateau that ends in a vertical wall. On the right the
# same from above, dark where the loss is low. Without clipping (orange) a single
# step at the wall throws the point far out. With clipping (blue) it zigzags along the foot of the wall, down into the valley.

# %%
ws, bs = np.meshgrid(np.linspace(3, 7.5, 80), np.linspace(-4, 4, 120))
fig = plt.figure(figsize=(10, 4))
ax = fig.add_subplot(1, 2, 1, projection="3d")
near = slice(0, 50)
ax.plot_surface(
    ws[near], bs[near], cliff(ws[near], bs[near]), cmap="cividis", rcount=50
)
ax.view_init(30, -60)
ax.set(xlabel="w", ylabel="b", zlabel="loss")
ax = fig.add_subplot(1, 2, 2)
ax.pcolormesh(ws, bs, cliff(ws, bs), cmap="cividis", rasterized=True)
ax.plot(*free.T, "o-", ms=6, lw=1, color=plots.COLORS[1], label="without clipping")
ax.plot(*clipped.T, "o-", ms=2, lw=1, color=plots.COLORS[5], label="clipped at 0.2")
ax.set(xlabel="w", ylabel="b")
ax.legend(labelcolor="white")
plt.show()

# %% [markdown]
# Clipping cures explosion. It can't cure vanishing: what is lost can't be made longer. That takes another network.
#
# ## 5 · The LSTM and the GRU
#
# The **long short-term memory** ([Hochreiter & Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735)) has a
# second state, the **cell** $c_t$, that is changed by *adding*. Three **gates**, numbers between 0 and 1, say what is
# kept (forget gate $f$), what is added (input gate $i$), and what is shown (output gate $o$). The first
# form had two gates; the forget gate came in 2000 ([Gers et al. 2000](https://doi.org/10.1162/089976600300015015)).
# Cut $z_t = W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh}$ into four parts, in PyTorch's order $i, f, g, o$. With $\sigma$ of (6)
# for each element, and $\odot$ the product of elements:
#
# $$i, f, o = \sigma(z_i), \sigma(z_f), \sigma(z_o), \quad g = \tanh(z_g), \qquad
# c_t = f \odot c_{t-1} + i \odot g, \quad h_t = o \odot \tanh(c_t) \tag{8}$$


# %%
def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    z = x @ W_ih.T + b_ih + h @ W_hh.T + b_hh
    z_i, z_f, z_g, z_o = z.chunk(4, dim=-1)  # the order of torch
    i, f, o = torch.sigmoid(z_i), torch.sigmoid(z_f), torch.sigmoid(z_o)
    c = f * c + i * torch.tanh(z_g)
    return o * torch.tanh(c), c


# %% [markdown]
# The **gated recurrent unit** ([Cho et al. 2014](https://arxiv.org/abs/1406.1078)) gets by with one state and two
# gates. The reset gate $r$ says how much of the past the candidate $n$ sees. The update gate $z$ says how much of the
# old state is kept. With $a = W_{ih} x_t + b_{ih}$ and $d = W_{hh} h_{t-1} + b_{hh}$, each cut into three:
#
# $$r, z = \sigma(a_r + d_r), \sigma(a_z + d_z), \quad n = \tanh(a_n + r \odot d_n), \qquad
# h_t = (1 - z) \odot n + z \odot h_{t-1} \tag{9}$$
#
# Cho et al. apply $r$ to $h_{t-1}$ *before* the product with $W_{hh}$; PyTorch, as here, after it.


# %%
def gru_step(x, h, W_ih, W_hh, b_ih, b_hh):
    a_r, a_z, a_n = (x @ W_ih.T + b_ih).chunk(3, dim=-1)
    d_r, d_z, d_n = (h @ W_hh.T + b_hh).chunk(3, dim=-1)
    r, z = torch.sigmoid(a_r + d_r), torch.sigmoid(a_z + d_z)
    n = torch.tanh(a_n + r * d_n)
    return ((1 - z) * n + z * h,)


# %% [markdown]
# **Predict before you run.** An LSTM and a GRU read ten numbers and have states of twenty. Which one has more weights,
# and by what ratio?

# %%
x = torch.randn(5, 3, 10)  # (time, batch, input)
for kind, step, states in [("LSTM", lstm_step, 2), ("GRU", gru_step, 1)]:
    peer = getattr(nn, kind)(10, 20)
    ours = Recurrent(kind.lower(), 10, 20)  # helpers/rnn.py
    ours.load_state_dict(peer.state_dict())
    state, outputs = (torch.zeros(3, 20),) * states, []
    for x_t in x:
        state = step(x_t, *state, *peer.parameters())
        outputs.append(state[0])
    outputs, expected = torch.stack(outputs), peer(x)[0]
    same = torch.allclose(outputs, expected, atol=1e-6)
    helper = torch.allclose(ours(x)[0], expected, atol=1e-6)
    size = sum(weight.numel() for weight in peer.parameters())
    print(f"{kind:4} {size} weights; equations equal torch: {same}, helper: {helper}")

# %% [markdown]
# Four to three, as the parts: four in (8), three in (9).
#
# ## 6 · Why the cell helps
#
# Follow the cell from step to step, and hold the gates fixed. In (8) it is only scaled and added to. So
#
# $$\frac{\partial c_T}{\partial c_t} = \operatorname{diag}\Bigl(\prod_{k=t+1}^{T} f_k\Bigr) + \text{paths through } h \tag{10}$$
#
# Along the first term no matrix is multiplied again and again, and no $\tanh'$ shrinks the way. Where $f = 1$, the error
# travels for ever unchanged. A new network has weights near 0. So $f = \sigma(b_f)$: with bias $b_f = 0$ it is $\tfrac12$, and
# the memory halves at each step. With $b_f = 1$ it is 0.73
# ([Gers et al. 2000](https://doi.org/10.1162/089976600300015015);
# [Jozefowicz et al. 2015](https://proceedings.mlr.press/v37/jozefowicz15.html)). With 3 it is 0.95.
#
# **Predict before you run.** What is left of this direct way after 49 steps, for each of these biases?


# %%
def cell_jacobians(lstm, x):
    """∂c_T/∂c_t for t = T, T - 1, …, 1, all paths included."""
    size, weights = lstm.hidden_size, [v.detach() for v in lstm.parameters()]
    state, states, factors = torch.zeros(2 * size), [], []

    def step(state, x_t):  # h and c as one vector
        return torch.cat(lstm_step(x_t, *state.split(size), *weights))

    for x_t in x:
        factors.append(torch.func.jacrev(step)(state, x_t))
        state = step(state, x_t)
        states.append(state)
    J = [torch.eye(2 * size)]
    for factor in factors[:0:-1]:
        J.append(J[-1] @ factor)
    J = torch.stack(J)
    h, c = torch.stack(states[::-1]).split(size, dim=1)
    shown = h * (1 / c.tanh() - c.tanh())  # ∂h_t/∂c_t = o (1 - tanh² c_t)
    return J[:, size:, size:] + J[:, size:, :size] * shown[:, None, :]


def new_lstm(inputs, bias, size=32):
    lstm = nn.LSTM(inputs, size)
    with torch.no_grad():
        lstm.bias_ih_l0[size : 2 * size] = bias
        lstm.bias_hh_l0[size : 2 * size] = 0
    return lstm


# %% [markdown]
# Test (10) first. Without recurrent weights there are no paths through $h$. Only the diagonal is left, the product of
# the forget gates.

# %%
x, lstm = torch.randn(50, 4), new_lstm(4, bias=1)
with torch.no_grad():
    lstm.weight_hh_l0.zero_()
    f = torch.sigmoid(x @ lstm.weight_ih_l0[32:64].T + 1)  # (time, 32)
J = cell_jacobians(lstm, x)
print("the product of f:", torch.allclose(J[-1], torch.diag(f[1:].prod(dim=0))))

# %% [markdown]
# Now with them, for the three biases, and beside a vanilla RNN. PyTorch's own gradient over 49 steps tests that no path is missing.

# %%
lstms = {bias: new_lstm(4, bias) for bias in (0, 1, 3)}
by_bias = {bias: cell_jacobians(lstm, x) for bias, lstm in lstms.items()}

state, cells = (torch.zeros(32), torch.zeros(32)), []
for x_t in x:
    state = lstm_step(x_t, *state, *lstms[1].parameters())
    cells.append(state[1])
(expected,) = torch.autograd.grad(cells[-1].sum(), cells[0])
same = torch.allclose(by_bias[1][-1].sum(dim=0), expected, rtol=1e-3)
print("all paths, as PyTorch:", same)

# %%
by_bias = {k: torch.linalg.matrix_norm(J, 2).tolist() for k, J in by_bias.items()}
net = nn.RNN(4, 32)
W, h = net.weight_hh_l0.detach().numpy(), net(x)[0].detach().numpy()
plain = [np.linalg.norm(J, 2) for J in jacobians(W, h)]  # t = 50, …, 1

# %%
ranges = {0: (1e-14, 1e-6), 1: (1e-6, 0.05), 3: (0.1, 50)}
for bias, norm in by_bias.items():
    claim(f"LSTM, forget bias {bias}, after 49 steps", norm[-1], *ranges[bias])
claim("vanilla RNN, after 49 steps", plain[49], 1e-25, 1e-8)
others = min(plain[49], by_bias[0][49])
print("bias 0, direct way alone: below the RNN and all paths:", others > 0.5**49)

# %% [markdown]
# The picture shows the norms of $\partial c_T / \partial c_t$ in new LSTMs with three biases, and of $\partial h_T/\partial h_t$ in a new
# `nn.RNN`, against $T - t$ on a logarithmic axis. Thin dashed lines mark the direct way, $\sigma(b_f)^{T-t}$. Of the
# thick lines the RNN's and that of bias 0 fall most steeply (another seed may swap the two), then bias 1. That of bias 3 even rises a little. Each LSTM's lies above its dashed one.
# With bias 0 the direct way alone ($2^{-49} \approx 10^{-15}$) is worse than the RNN; the paths through $h$ rescue some of it. They
# are again products of matrices, which is why the line of bias 3 can exceed 1. So the direct way helps only when its gate starts open.

# %%
fig, ax = plt.subplots()
for color, (bias, norm) in zip(plots.COLORS, by_bias.items(), strict=False):
    ax.semilogy(norm, color=color, label=f"LSTM, forget bias {bias}")
    ax.semilogy((1 / (1 + np.exp(-bias))) ** np.arange(50), "--", lw=1, color=color)
ax.semilogy(plain, ":", color="black", label="vanilla RNN")
ax.set(xlabel="$T - t$", ylabel="norm of the Jacobian", ylim=(1e-16, 100))
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## 7 · A hundred steps
#
# The **adding problem** (after Hochreiter & Schmidhuber 1997, experiment 4): read 100 random numbers in
# $(0, 1)$, two of them marked, and say the sum of the two. Who always says 1 has a mean squared error of
# $2 \cdot \tfrac1{12} = 0.167$. To do better, remember a number for up to 100 steps.


# %%
def adding(batch, T=100):
    numbers, marks = torch.rand(T, batch), torch.zeros(T, batch)
    rows = torch.arange(batch)
    marks[torch.randint(0, T // 2, (batch,)), rows] = 1
    marks[torch.randint(T // 2, T, (batch,)), rows] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(dim=0)


def learn_to_add(net, steps=800):
    """Train on new examples in each step; the losses."""
    out, seen = nn.Linear(32, 1), []
    weights = [*net.parameters(), *out.parameters()]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    for _ in tqdm(range(steps), leave=False):
        x, y = adding(50)
        loss = mse_loss(out(net(x)[0][-1])[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)  # (7)
        optimizer.step()
        seen.append(loss.item())
    return np.array(seen)


# %% [markdown]
# A step that keeps 99 % still holds $0.99^{100} \approx 37\,\%$ after 100 steps. So let the LSTM start with $\sigma(b_f) = 0.99$, that is
# $b_f = \log 99 \approx 4.6$, and with $b_i = -b_f$, so that an ordinary step writes only 1 %
# (a simple form of what [Tallec & Ollivier 2018](https://arxiv.org/abs/1804.11188) derive).
#
# **Predict before you run.** Both networks get the same number of steps, the same rate and clipping. Which of them gets
# below 0.167, and does it get there slowly or at once?

# %%
lstm = new_lstm(2, bias=math.log(99))
with torch.no_grad():
    lstm.bias_ih_l0[:32], lstm.bias_hh_l0[:32] = -math.log(99), 0
curves = {
    "LSTM": learn_to_add(lstm),
    "vanilla RNN": learn_to_add(nn.RNN(2, 32)),
}
claim("LSTM, last 100 steps", curves["LSTM"][-100:].mean(), 0, 0.03)
hundreds = curves["vanilla RNN"].reshape(-1, 100).mean(axis=1)
claim("RNN, best 100 steps ", hundreds.min(), 0.14, 0.2)

# %% [markdown]
# The picture shows the loss during training. The RNN never gets clearly below the dotted line of those who always say 1. The LSTM
# stays there, too, for some hundred steps; then it finds the marks and falls steeply to nearly zero.
# Only the LSTM was given a start for 100 steps, and it has four times the weights: the comparison is of gates *and* their biases.

# %%
fig, ax = plt.subplots(figsize=(7, 3.2))
for name, curve in curves.items():
    ax.plot(np.convolve(curve, np.ones(20) / 20, "valid"), label=name)
ax.axhline(1 / 6, ls=":", color="black", lw=1)
ax.set(xlabel="training step", ylabel="mean squared error", ylim=(0, 0.3))
ax.legend()
plt.show()

# %% [markdown]
# ## 8 · Deeper, both ways, and straight through
#
# **Layers.** The states of one layer can be the inputs of the next. What are the shapes in `nn.LSTM(10, 20, 2)`? It says: inputs of 10
# numbers, states of 20, 2 layers.
#
# **Predict before you run.** Say all shapes before you look. Why is the second `weight_ih` wider than the first?

# %%
lstm = nn.LSTM(10, 20, 2)
output, (h, c) = lstm(torch.randn(5, 3, 10))  # (time 5, batch 3, input 10)
for name, weight in lstm.named_parameters():
    print(f"{name:13}{tuple(weight.shape)}")
print("output", tuple(output.shape), " h", tuple(h.shape), " c", tuple(c.shape))
print("output[-1] is h of the last layer:", torch.equal(output[-1], h[-1]))

# %% [markdown]
# Each weight has $4 \cdot 20 = 80$ rows, for the parts $i, f, g, o$ of (8). Layer 1 reads the 20 states of layer 0 instead of 10 inputs. `output` holds
# the last layer's $h$ at *all 5 times*; `h` and `c` hold *both layers* at the last time. The batch stands second, unless you say
# `batch_first=True`.
#
# **Both ways.** A **bidirectional** network has a second set of weights that reads from right to left
# ([Schuster & Paliwal 1997](https://doi.org/10.1109/78.650093)). Each output joins both, and so knows the whole text: good for
# tagging the words of a sentence. And for predicting the next word? Try it on the bits of section 2. A text has 24 of them. The first is given,
# and of the other 23, fifteen are coins. So no honest perplexity is below $2^{15/23} \approx 1.57$.
#
# **Predict before you run.** What perplexity does the bidirectional network reach?


# %%
def next_bit_model(bidirectional):
    """Train to predict the next bit; a function from bits (T, B) to scores (T, B, 2)."""
    net = nn.LSTM(2, 32, bidirectional=bidirectional)
    out = nn.Linear(64 if bidirectional else 32, 2)
    optimizer = torch.optim.Adam([*net.parameters(), *out.parameters()], lr=0.02)

    def scores(x):
        return out(net(one_hot(x, 2).float())[0])

    for _ in range(300):
        x = torch.tensor(xor_stream(64)[:, :, 0]).long()
        loss = cross_entropy(scores(x)[:-1].flatten(0, 1), x[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return scores


# %% [markdown]
# Judge each network twice. Once it reads the whole text, as in training. Once it reads only what comes before the bit that it has to predict, as
# anyone who writes must.

# %%
test = torch.tensor(xor_stream(500)[:, :, 0]).long()
ranges = {"left to right": [(1.55, 1.7)] * 2, "bidirectional": [(1, 1.1), (1.7, 100)]}
for name, (whole_range, past_range) in ranges.items():
    scores = next_bit_model(name == "bidirectional")
    with torch.no_grad():
        whole = scores(test)[:-1]
        past = torch.stack([scores(test[:t])[-1] for t in range(1, len(test))])
    perplexity = [
        cross_entropy(z.flatten(0, 1), test[1:].flatten()).exp().item()
        for z in (whole, past)
    ]
    claim(f"{name}, whole text   ", perplexity[0], *whole_range)
    claim(f"{name}, only the past", perplexity[1], *past_range)

# %% [markdown]
# Near 1, by cheating: the output at $t$ holds what the backward half read at $t + 1$, which is the answer. Copying was easier
# than learning the rule, so it never learned the rule. Asked to *write*, it is worse than the honest one, for it
# has nothing to copy. A left-to-right language model must not be bidirectional.
#
# **Straight through.** Depth has the trouble of section 3, too: 50 layers are 50 factors. **Highway connections**
# ([Srivastava et al. 2015](https://arxiv.org/abs/1505.00387), eq. 3) bring the LSTM's idea there. A gate $\tau$ mixes the
# new with the old:
#
# $$y = \tau(x) \odot \tanh(W x + b) + (1 - \tau(x)) \odot x, \qquad \tau(x) = \sigma(W_\tau x + b_\tau) \tag{11}$$
#
# Here the gate's bias is *negative*, $b_\tau = -2$: carry first, transform later. **Predict before you run.** How large is the gradient per input
# (root mean square) after 50 layers, with and without? Hint: a new gate carries $1 - \sigma(-2) = 0.88$, a new `nn.Linear` scales by
# about $1/\sqrt3 = 0.58$.


# %%
def input_gradient(highway, depth=50, size=32):
    x = y = torch.randn(16, size, requires_grad=True)
    for _ in range(depth):
        new, gate = nn.Linear(size, size), nn.Linear(size, size)
        nn.init.constant_(gate.bias, -2)
        tau = torch.sigmoid(gate(y)) if highway else 1.0
        y = tau * torch.tanh(new(y)) + (1 - tau) * y
    y.sum().backward()
    return math.log10(x.grad.norm() / math.sqrt(x.numel()))


claim("plain: log10  ", input_gradient(highway=False), -20, -8)
claim("highway: log10", input_gradient(highway=True), -4, 0.5)

# %% [markdown]
# Some ten powers of ten, by a gate that starts nearly shut. Residual networks put 1 for both factors, $\tau$ and $1 - \tau$. A GRU
# is a highway through time: (11) is the last equation of (9), with depth for time.
#
# ## 9 · The map of sequence tasks
#
# One cell, many machines: what matters is where inputs go in and outputs come out. The picture shows four
# rows of boxes, the states, with arrows from left to right. Inputs enter from below, outputs leave above: one-to-many (an image in, its caption
# out), many-to-one (a review in, its verdict out), aligned (words in, one tag each out, or the next word), and
# sequence-to-sequence (a sentence in, then its translation out).

# %%
kinds = {
    "one-to-many": ([0], [0, 1, 2, 3]),
    "many-to-one": ([0, 1, 2, 3], [3]),
    "aligned": ([0, 1, 2, 3], [0, 1, 2, 3]),
    "sequence-to-sequence": ([0, 1, 2], [2, 3, 4]),
}
arrow = {"arrowstyle": "->", "lw": 1.5}
fig, axes = plt.subplots(1, 4, figsize=(11, 2.6), width_ratios=(4, 4, 4, 5))
for ax, (name, (reads, writes)) in zip(axes, kinds.items(), strict=True):
    places = range(max(reads + writes) + 1)
    for t in places:
        ax.scatter(t, 1, s=350, marker="s", color=plots.COLORS[0])
        if t:
            ax.annotate("", (t - 0.25, 1), (t - 0.75, 1), arrowprops=arrow)
    for t in reads:
        ax.scatter(t, 0, s=200, color=plots.COLORS[2])
        ax.annotate("", (t, 0.8), (t, 0.15), arrowprops=arrow)
    for t in writes:
        ax.scatter(t, 2, s=200, color=plots.COLORS[1])
        ax.annotate("", (t, 1.85), (t, 1.2), arrowprops=arrow)
    ax.set(title=name, xlim=(-0.5, max(places) + 0.5), ylim=(-0.4, 2.4))
    ax.axis("off")
plt.show()

# %% [markdown]
# XOR was aligned, adding was many-to-one. The language model of lecture 12 is aligned: at each word it predicts the next.
#
# ## What you can do now
#
# - Backpropagate through time by hand, and bound the gradient by $(\gamma \sigma_{\max})^{T-t}$.
# - Clip an exploding gradient, and say why clipping does nothing for a vanishing one.
# - Write an LSTM and a GRU that take PyTorch's weights, and read every shape of `nn.LSTM`.
#
# **Where the idea broke.** The LSTM's biases were chosen for 100 steps. For 10,000 others
# are needed, and who doesn't know the distance has to try. A vanilla RNN can hold on, too, if its matrix starts as
# the identity, with ReLU ([Le et al. 2015](https://arxiv.org/abs/1504.00941)), or is kept unitary
# ([Arjovsky et al. 2016](https://arxiv.org/abs/1511.06464)). Whatever the cell, all that was read must fit into one vector of fixed
# size, and the steps can't run in parallel. Attention gives up both, and the constant memory with them.
#
# **References.**
# [Elman 1990](https://doi.org/10.1207/s15516709cog1402_1), *Finding structure in time* ·
# [Werbos 1990](https://doi.org/10.1109/5.58337), backpropagation through time ·
# [Hochreiter & Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735), the LSTM ·
# [Schuster & Paliwal 1997](https://doi.org/10.1109/78.650093), both directions ·
# [Gers et al. 2000](https://doi.org/10.1162/089976600300015015), the forget gate ·
# [Pascanu et al. 2013](https://arxiv.org/abs/1211.5063), the Jacobian and the cliff ·
# [Cho et al. 2014](https://arxiv.org/abs/1406.1078), the GRU ·
# [Jozefowicz et al. 2015](https://proceedings.mlr.press/v37/jozefowicz15.html), bias 1 ·
# [Le et al. 2015](https://arxiv.org/abs/1504.00941), starting from the identity ·
# [Srivastava et al. 2015](https://arxiv.org/abs/1505.00387), highways ·
# [Arjovsky et al. 2016](https://arxiv.org/abs/1511.06464), unitary matrices ·
# [Tallec & Ollivier 2018](https://arxiv.org/abs/1804.11188), biases for a given time.
#
# **Next.** Exercise 11: you write the backward pass, the gates, and the masks that real batches need.
