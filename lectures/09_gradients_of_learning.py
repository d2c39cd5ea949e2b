# %% [markdown]
# # 09 · Gradients of learning: differentiate the training run
#
# **The question.** Gradient descent finds the weights. But who finds the learning rate, the
# momentum, the rule of the step itself?
#
# **The answer of this lecture.** Gradient descent. A training run is a program, and you can
# differentiate any program: run it, then walk back through all of its steps.
#
# By the end you can train an optimiser that beats a tuned Adam on tasks like its own, tune a
# hundred hyperparameters at once, run a training backwards to the last bit, and say when all of
# this breaks.
#
# *You need* lecture 08: `grad`, and that it nests. *It takes* about 40 seconds on two CPU cores.
# Throughout, `np` is the traced NumPy of `helpers.autodiff`.

# %%
import tracemalloc
from itertools import product

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from helpers import plots
from helpers.autodiff import (
    check_grads,
    elementwise_grad,
    grad,
    hessian_vector_product,
    make_vjp,
)
from helpers.autodiff import numpy as np
from helpers.autodiff.tracing import unbox
from helpers.device import seed_everything

threadpool_limits(1)  # our matrices are small: a second thread would only wait
rng = seed_everything(9)
plots.use_style()

# %% [markdown]
# ## 1 · A training run is a function
#
# Minimise $f(\theta) = \tfrac12 h \theta^2$ by gradient descent with the rate $\alpha$. Each step
# multiplies $\theta$ by the same number, so you can see the end of the run from its start:
#
# $$\theta_{t+1} = \theta_t - \alpha f'(\theta_t) = (1 - \alpha h)\,\theta_t
# \quad\Rightarrow\quad f(\theta_T) = \tfrac12 h (1 - \alpha h)^{2T} \theta_0^2 \tag{1}$$
#
# The final loss is a function of the rate. Its derivative is a **hypergradient**, the gradient of
# a result of learning with respect to how you learn:
#
# $$\frac{d f(\theta_T)}{d\alpha} = -T h^2 (1 - \alpha h)^{2T - 1} \theta_0^2 \tag{2}$$
#
# **Predict before you run.** Let $h = 1$, $T = 2$, $\theta_0 = 1$. What is (2) at $\alpha = 0.5$?
# At 1? And which sign has it at 1.5?


# %%
def f(theta):
    return 0.5 * theta**2


def final_loss(rate, steps=2):
    theta = 1.0
    for _ in range(steps):
        theta = theta - rate * grad(f)(theta)  # the inner grad: with respect to theta
    return f(theta)


for rate in (0.5, 1.0, 1.5):  # the outer one: with respect to the rate
    formula = -2 * (1 - rate) ** 3
    print(f"α = {rate}: grad {grad(final_loss)(rate):+.3f}, formula {formula:+.3f}")

# %% [markdown]
# Follow these signs downhill and you arrive at $\alpha = 1 = 1/h$, which solves the task in one
# step. Nobody told `grad` about rates: it saw additions and multiplications.
#
# ## 2 · Optimisers with parameters
#
# One task is too few: an optimiser should do well on tasks that it has not seen. Let an optimiser
# $m$ with parameters $\varphi$ turn a gradient and its own memory $s_t$ into a step. Its loss is
# what it leaves behind on the way, averaged over tasks $f$
# ([Andrychowicz et al. 2016](https://arxiv.org/abs/1606.04474), eq. 3, with equal weights):
#
# $$\theta_{t+1} = \theta_t + g_t, \quad (g_t, s_{t+1}) = m\bigl(\nabla f(\theta_t), s_t; \varphi\bigr),
# \qquad \mathcal L(\varphi) = \mathbb E_f \Bigl[\frac1T \sum_{t=1}^{T} f(\theta_t)\Bigr] \tag{3}$$
#
# SGD with momentum and Adam have this form. Their $\varphi$ are two or three numbers.


# %%
def sgd(phi, g, v=0.0):
    rate, momentum = phi
    v = momentum * v - (1 - momentum) * g
    return rate * v, (v,)


def adam(phi, g, m=0.0, s=0.0, t=0):
    rate, beta1, beta2 = phi
    m, s, t = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g, t + 1
    m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
    return -rate * m_hat / (np.sqrt(s_hat) + 1e-8), (m, s, t)


# %% [markdown]
# `unroll` writes (3) as a program. A task is a loss and a starting point. Many tasks run at once,
# as rows of one array, so the graph has one node where a loop over tasks would have hundreds.


# %%
def unroll(optimizer, phi, task, steps, second_order=True):
    """Losses (steps, tasks) of `optimizer` on a task: (loss, first theta)."""
    loss, theta = task
    gradient = grad(lambda theta: np.sum(loss(theta)))
    losses, state = [], ()
    for _ in range(steps):
        g = gradient(theta if second_order else unbox(theta))  # see section 4
        step, state = optimizer(phi, g, *state)
        theta = theta + step
        losses.append(loss(theta))
    return np.stack(losses)


# %% [markdown]
# Now the tasks: random quadratics $f(\theta) = \lVert A S \theta - y \rVert^2$ in ten dimensions,
# with $A$ and the solution Gaussian. Each axis has a scale, the diagonal of $S$, from 0.3 to 3.
# The scales are the same in all tasks. That is what there is to learn.

# %%
D, T = 10, 20  # dimensions, and the horizon: the steps that an optimiser is judged by
scales = rng.permutation(np.geomspace(0.3, 3, D))


def quadratics(tasks, scales=scales):
    a = rng.normal(size=(tasks, 20, D)) / np.sqrt(20) * scales
    y = a @ rng.normal(size=(tasks, D, 1))

    def loss(theta):  # (tasks, D) -> (tasks,)
        return np.sum((a @ theta[:, :, None] - y) ** 2, axis=(1, 2))

    return loss, np.zeros((tasks, D))


# %% [markdown]
# Our Adam must be everybody's Adam.

# %%
loss, theta = task = quadratics(8)
ours = unroll(adam, (0.1, 0.9, 0.999), task, T)
x = torch.zeros(8, D, dtype=torch.float64, requires_grad=True)
torch_adam = torch.optim.Adam([x], lr=0.1)
for _ in range(T):
    x.grad = torch.tensor(grad(lambda x: np.sum(loss(x)))(x.detach().numpy()))
    torch_adam.step()
theirs = loss(x.detach().numpy())
print("same losses as torch.optim.Adam:", np.allclose(ours[-1], theirs))

# %% [markdown]
# A fair rival is a tuned rival. Try 52 settings of SGD and 81 of Adam on 64 training tasks, drawn as
# ours will be, and keep the best by (3), the measure that ours will be trained on.


# %%
def tune(optimizer, grid, task):
    with np.errstate(over="ignore", invalid="ignore"):  # some settings diverge
        losses = [np.mean(unroll(optimizer, phi, task, T)) for phi in grid]
    return grid[np.nanargmin(losses)]


sgd_grid = list(product(np.geomspace(0.01, 100, 13), (0, 0.5, 0.8, 0.9)))
adam_grid = list(product(np.geomspace(0.03, 1, 9), (0.5, 0.8, 0.9), (0.9, 0.99, 0.999)))
task = quadratics(64)
rivals = {"SGD": (sgd, tune(sgd, sgd_grid, task))}
rivals["Adam"] = (adam, tune(adam, adam_grid, task))
for name, (_, phi) in rivals.items():
    print(name, [round(float(p), 3) for p in phi])

# %% [markdown]
# ## 3 · A learned rate for each axis
#
# The first optimiser of our own: SGD with a momentum and **one rate per axis**, eleven numbers.
# They are stored as logarithm and logit, so that every real number is a legal value.


# %%
def sigma(x):
    return 0.5 * (1 + np.tanh(x / 2))  # the logistic function, without overflow


def diagonal(phi, g, v=0.0):
    return sgd((np.exp(phi["log_rate"]), sigma(phi["logit"])), g, v)


phi = {"log_rate": np.full(D, -2.0), "logit": np.array(0.0)}
task = quadratics(4)
check_grads(lambda phi: np.mean(unroll(diagonal, phi, task, T)), phi, order=1)
print("the gradient through", T, "steps agrees with finite differences")

# %% [markdown]
# To descend on $\varphi$ we need an optimiser. Take Adam, the very function above: it does not
# mind what it optimises.


# %%
def length(gradient):
    return np.sqrt(sum(np.sum(g**2) for g in gradient.values()))


def descend(objective, phi, rates, clip=1.0):
    """Adam on a dictionary of arrays; the objective may draw new tasks each time."""
    states = dict.fromkeys(phi, ())
    for rate in tqdm(rates, leave=False):
        g = grad(objective)(phi)
        shrink = min(1, clip / length(g))
        for key in phi:
            step, states[key] = adam((rate, 0.9, 0.999), shrink * g[key], *states[key])
            phi = phi | {key: phi[key] + step}
    return phi


# %% [markdown]
# **Predict before you run.** From (1), the best rate on an axis of curvature $h$ is $1/h$, and the
# curvature of axis $i$ is about $2 s_i^2$. What should *learned rate* × $s_i^2$ look like?


# %%
def claim(what, value, low, high):
    """Print the range that a trained number must lie in; fail when it does not."""
    assert low < value < high, f"{what}: {value}"
    print(f"{what}: between {low:g} and {high:g}")


def average_loss(phi):
    return np.mean(unroll(diagonal, phi, quadratics(16), T))


learned = descend(average_loss, phi, np.linspace(0.1, 0, 200))
balance = np.exp(learned["log_rate"]) * scales**2
print("scale², largest / smallest:", round((scales.max() / scales.min()) ** 2))
claim("rate × scale², largest / smallest", balance.max() / balance.min(), 1, 5)

# %% [markdown]
# It found the curvature of each axis without being told that curvature exists. Now judge it on 256
# tasks that nobody has trained on, and again after shuffling the scales.
#
# **Predict before you run.** Which of the three does not mind the shuffle?


# %% tags=["nbval-ignore-output"]
def judge(contestants, task, steps=T):
    """Losses (steps, tasks) of every contestant: name -> (optimizer, phi)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return {name: unroll(*who, task, steps) for name, who in contestants.items()}


def average(losses):
    return np.mean(losses[:T])


def table(title, results):
    print(f"{title:9}", *(f"  {k} {average(v):.3g}" for k, v in results.items()))


rivals["rate per axis"] = (diagonal, learned)
held_out, shuffled = quadratics(256), quadratics(256, rng.permutation(scales))
seen, strange = judge(rivals, held_out), judge(rivals, shuffled)
table("held out", seen)
table("shuffled", strange)


# %%
def against(name, results, rivals=("SGD", "Adam")):
    """The average loss of one, over that of its best rival."""
    return average(results[name]) / min(average(results[rival]) for rival in rivals)


claim("rate per axis / best rival, held out", against("rate per axis", seen), 0.2, 0.6)
print("shuffled, it diverges:", average(strange["rate per axis"]) > 1e6)

# %% [markdown]
# It wins by knowing *this* family of tasks, and it is lost outside. It cannot even run in eleven
# dimensions.
#
# ## 4 · A learned rule: a small LSTM
#
# So learn a rule that does not depend on the place. Give each coordinate its own copy of one small
# recurrent network, all with the same parameters: it reads the coordinate's gradient, updates a
# hidden state, and says a step. Then ten dimensions are as good as ten thousand.
#
# The network is an **LSTM** (lecture 11 tells its story). Its memory $c$ is kept or forgotten,
# written and read through gates $f, i, o$ with values between 0 and 1. For one coordinate with
# input $x_t$:
#
# $$z = W_x^\top x_t + W_h^\top h_{t-1} + b, \quad (i, f, o) = \sigma(z_{1 … 3H}), \quad u = \tanh(z_{3H+1 … 4H})$$
#
# $$c_t = f \odot c_{t-1} + i \odot u, \qquad h_t = o \odot \tanh c_t, \qquad g_t = w^\top h_t \tag{4}$$
#
# Gradients span many powers of ten, and a network wants inputs near 1. So it reads the logarithm
# and the sign (the paper's appendix A, $p = 10$):
#
# $$x_t = \begin{cases} \bigl(\tfrac1p \log |\nabla_t|,\; \operatorname{sign} \nabla_t\bigr) & |\nabla_t| \ge e^{-p} \\
# (-1,\; e^p \nabla_t) & \text{else} \end{cases} \tag{5}$$

# %%
H, p = 10, 10.0  # hidden units; how small a gradient still counts


def features(g):  # (coordinates, 1) -> (coordinates, 2)
    large = np.abs(g) >= np.exp(-p)
    size = np.where(large, np.log(np.where(large, np.abs(g), 1.0)) / p, -1.0)
    sign = np.where(large, np.sign(g), np.exp(p) * g)
    return np.concatenate([size, sign], axis=1)


EMPTY = np.zeros((1, H))


def lstm(phi, g, h=EMPTY, c=EMPTY):
    z = features(g.reshape(-1, 1)) @ phi["x"] + h @ phi["h"] + phi["b"]
    i, f, o = np.split(sigma(z[:, : 3 * H]), 3, axis=1)
    c = f * c + i * np.tanh(z[:, 3 * H :])
    h = o * np.tanh(c)  # (coordinates, H)
    return (h @ phi["out"]).reshape(g.shape), (h, c)


# %% [markdown]
# It starts out with small random weights, and with a bias that keeps its memory.


# %%
def new_lstm():
    remember = np.repeat([0.0, 2.0, 0.0, 0.0], H)
    x, h = rng.normal(size=(2, 4 * H)), rng.normal(size=(H, 4 * H))
    out = 0.1 * rng.normal(size=(H, 1))
    return {"x": 0.3 * x, "h": 0.15 * h, "b": remember, "out": out}


untrained = new_lstm()
print(sum(array.size for array in untrained.values()), "parameters, whatever the task")

# %% [markdown]
# One question is left. The step depends on $\varphi$ in two ways: through the network, and through
# the gradient $\nabla f(\theta_t)$ that it reads, since $\theta_t$ came from earlier steps. The
# second way needs second derivatives. Our engine has them, because `grad` nests. The paper leaves
# them out: it treats the gradients that arrive as data. Here that is `second_order=False`.
#
# **Predict before you run.** Which meta-gradient will you train with, the exact or the truncated?


# %%
def on_quadratics(phi, second_order=False):
    return np.mean(unroll(lstm, phi, quadratics(16), T, second_order))


trained = descend(on_quadratics, untrained, np.linspace(0.03, 0, 600))


# %%
def exact_over_truncated(phi):
    task = quadratics(64)
    gradient = grad(lambda phi, exact: np.mean(unroll(lstm, phi, task, T, exact)))
    return length(gradient(phi, True)) / length(gradient(phi, False))


print("length of the exact gradient over that of the truncated one")
claim("before training", exact_over_truncated(untrained), 0.9, 1.1)
claim("after training", exact_over_truncated(trained), 10, 1e9)

# %% [markdown]
# At first the two are alike, so the shortcut costs nothing. Later the exact one is right and useless.
# A trained optimiser gets close to the minimum, where $\log|\nabla|$ has the slope
# $1/|\nabla|$: a chain of such factors explodes. Section 8 shows the same illness in the open.
#
# Now the match: 256 held-out tasks, then the shuffled ones.

# %% tags=["nbval-ignore-output"]
rivals["LSTM"] = (lstm, trained)
seen, strange = judge(rivals, held_out, 400), judge(rivals, shuffled)
table("held out", seen)
table("shuffled", strange)

# %%
claim("LSTM / best rival, held out", against("LSTM", seen), 0.3, 0.8)
claim("LSTM / best rival, shuffled", against("LSTM", strange), 0.3, 0.8)

# %% [markdown]
# The learned rule beats both tuned rivals, and the shuffle does not hurt it: it never knew which
# axis it was working on.
#
# **Predict before you run.** Everyone was trained or tuned for 20 steps. Who wins after 400?
#
# The picture shows the median loss of the held-out tasks over 400 steps for the four optimisers,
# on two logarithmic axes. A dotted line marks the horizon. Left of it the LSTM lies below SGD and,
# for most of the way, Adam. Right of it the LSTM runs flat while all the others fall on.


# %%
LOOKS = {
    "SGD": (plots.COLORS[0], "-"),
    "Adam": (plots.COLORS[1], "--"),
    "rate per axis": (plots.COLORS[2], "-."),
    "LSTM": ("black", "-"),
    "LSTM of section 4": (plots.COLORS[3], ":"),
}


def draw_losses(ax, results, title):
    for name, losses in results.items():
        color, style = LOOKS[name]
        steps, median = np.arange(len(losses)) + 1, np.median(losses, axis=1)
        ax.loglog(steps, median, style, color=color, label=name)
    ax.axvline(T, color="gray", linestyle=":", linewidth=1)
    ax.set(xlabel="step", title=title)


fig, ax = plt.subplots()
draw_losses(ax, seen, "256 held-out quadratics")
ax.set(ylabel="median loss", ylim=(1e-8, 20))
ax.legend()
plt.show()

# %%
end = {name: np.median(losses[-1]) for name, losses in seen.items()}
claim("after 400 steps, LSTM / Adam", end["LSTM"] / end["Adam"], 100, 1e12)

# %% [markdown]
# Nobody ever asked the LSTM for a 21st step. It learned how large the first 20 must be, and not that
# they must become ever smaller. SGD does that by itself, since its step is a multiple of the gradient.
#
# ## 5 · From quadratics to a network
#
# Now real data and a small network: 16 inputs (the digits of scikit-learn, shrunk to 4 × 4
# pixels), 5 tanh units, one output. A task names five of the ten digits at random and asks of each
# image: is it one of the five? Held-out tasks ask new questions about images not seen before.

# %%
images, digit = load_digits(return_X_y=True)
pixels = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 16
pixels = (pixels - pixels.mean(axis=0)) / (pixels.std(axis=0) + 0.1)
old_images, new_images = np.split(rng.permutation(len(pixels) - 1), 2)


def questions(tasks, rows, examples):
    """Images (tasks, examples, 16), and 1 for yes or -1 for no (tasks, examples)."""
    chosen = np.stack([rng.permutation(rows)[:examples] for _ in range(tasks)])
    yes = np.stack([rng.permutation(10) < 5 for _ in range(tasks)])
    answers = np.take_along_axis(yes, digit[chosen], axis=1)
    return pixels[chosen], np.where(answers, 1.0, -1.0)


# %%
def networks(tasks, rows=old_images, hidden=5, activation=np.tanh, examples=128):
    """Random networks, each with a question: (loss, theta (tasks, 18 hidden + 1))."""
    x, answers = questions(tasks, rows, examples)
    parts = 16 * hidden, 17 * hidden, 18 * hidden

    def loss(theta):
        w1, b, w2, bias = np.split(theta, parts, axis=1)
        h = activation(x @ w1.reshape(len(theta), 16, hidden) + b[:, None, :])
        scores = (h @ w2[:, :, None])[:, :, 0] + bias  # (tasks, examples)
        return np.mean(np.logaddexp(0.0, -answers * scores), axis=1)

    return loss, 0.3 * rng.normal(size=(tasks, 18 * hidden + 1))


# %% [markdown]
# As before: tune the rivals, train a new LSTM, judge. A network has 91 parameters, so 91 copies of
# the LSTM train it. The LSTM of section 4, which knows only quadratics, comes along.


# %%
def on_networks(phi):
    return np.mean(unroll(lstm, phi, networks(4), T, second_order=False))


task = networks(32)
contestants = {
    "SGD": (sgd, tune(sgd, sgd_grid, task)),
    "Adam": (adam, tune(adam, adam_grid, task)),
    "LSTM": (lstm, descend(on_networks, new_lstm(), np.linspace(0.02, 0, 300), 0.1)),
    "LSTM of section 4": (lstm, trained),
}

# %% [markdown]
# **Predict before you run.** We also try networks with 20 units, and with ReLU for tanh. Where does
# the LSTM keep up with the rivals, and what is the old LSTM worth?

# %% tags=["nbval-ignore-output"]
tests = {
    "held out": networks(48, new_images),
    "20 units": networks(24, new_images, hidden=20),
    "ReLU": networks(48, new_images, activation=lambda z: np.maximum(z, 0.0)),
}
results = {name: judge(contestants, task, 100) for name, task in tests.items()}
for name, result in results.items():
    table(name, result)

# %%
claim("LSTM / best rival, held out", against("LSTM", results["held out"]), 0.8, 1.1)
claim("LSTM / best rival, 20 units", against("LSTM", results["20 units"]), 0.6, 1.1)
claim("LSTM / best rival, ReLU", against("LSTM", results["ReLU"]), 0.8, 1.3)
old = against("LSTM of section 4", results["held out"])
claim("LSTM of section 4 / best rival", old, 1.2, 3)

# %% [markdown]
# A sober result. On tasks of its own kind the learned rule is level with the best tuned rival, or a
# little ahead. It carries over to four times as many units, where it does better still, and to ReLU.
# What was learned on quadratics does not carry over to networks.
#
# The picture shows the median loss over 100 steps, for networks of 5 units on the left and of 20 on the
# right. Up to the dotted horizon, the LSTM, SGD and Adam run close together on the left, and the LSTM
# falls far below the others on the right. Beyond the horizon it turns and rises again, while SGD and
# Adam keep falling. The old LSTM stays above them all for most of the way.

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for ax, name in zip(axes, ("held out", "20 units"), strict=True):
    draw_losses(ax, results[name], f"networks, {name}")
axes[0].set(ylabel="median loss", ylim=(1e-5, 1))
axes[0].legend()
plt.show()

# %% [markdown]
# ## 6 · A hundred hyperparameters
#
# Now keep the rule and learn its numbers. Train by SGD with momentum $\gamma$ and L2 penalty
# $\lambda$ ([Maclaurin, Duvenaud & Adams 2015](https://arxiv.org/abs/1502.03492), algorithm 1;
# the penalty is part of their loss):
#
# $$v_{t+1} = \gamma v_t - (1 - \gamma)\bigl(\nabla L(w_t) + \lambda w_t\bigr), \qquad
# w_{t+1} = w_t + \alpha_t v_{t+1} \tag{6}$$
#
# Each layer has its own $\gamma$, $\lambda$, and rate $\alpha_t$ *for every step*. With 60 steps and
# two layers that makes 124 hyperparameters. The judge is the loss on **validation data** at the end.
#
# Our case: 200 images, a fifth of them with a random label; 600 for validation; 997 for a last test.
# The network has 64 inputs, 20 tanh units and 10 outputs. `w` holds all its weights in one vector,
# and `layer` says for each to which layer it belongs.

# %%
rng = np.random.default_rng(12)  # the same numbers, whatever you change above
x, y = images / 16 - 0.3, np.eye(10)[digit]
train_set, valid_set, test_set = np.split(rng.permutation(len(x)), (200, 800))
y[train_set[:40]] = np.eye(10)[rng.integers(10, size=40)]

shapes = (64, 20), (20,), (20, 10), (10,)
sizes = [np.prod(shape) for shape in shapes]
layer = np.repeat([0, 0, 1, 1], sizes)
w0 = rng.normal(size=sum(sizes)) * np.repeat([64**-0.5, 0, 20**-0.5, 0], sizes)


def scores(w, rows):
    parts = np.split(w, np.cumsum(sizes)[:-1])
    w1, b1, w2, b2 = (a.reshape(shape) for a, shape in zip(parts, shapes, strict=True))
    return np.tanh(x[rows] @ w1 + b1) @ w2 + b2


def loss(w, rows):
    z = scores(w, rows)
    return np.mean(np.logsumexp(z, axis=1) - np.sum(z * y[rows], axis=1))


# %% [markdown]
# Equation (6) as a program, and the gradient through all of it.

# %%
training_gradient = grad(lambda w: loss(w, train_set))


def train(rate, momentum, l2):
    """Weights at the end; rate (steps, layers), momentum (layers,), l2 (layers,)."""
    momentum, l2 = momentum[layer], l2[layer]
    w, v = w0, np.zeros(len(w0))
    for alpha in rate:
        v = momentum * v - (1 - momentum) * (training_gradient(w) + l2 * w)
        w = w + alpha[layer] * v
    return w


def validation_loss(rate, momentum, l2):
    return loss(train(rate, momentum, l2), valid_set)


hyper = np.full((60, 2), 0.5), np.array([0.7, 0.9]), np.array([1e-3, 1e-2])
hypergradient = grad(validation_loss, argnum=(0, 1, 2))(*hyper)

# %% [markdown]
# Never trust a gradient that you did not check: nudge one hyperparameter of each kind.


# %%
def nudged(which, place, by):
    moved = [array.copy() for array in hyper]
    moved[which][place] += by
    return validation_loss(*moved)


for which, place in ((0, (3, 1)), (1, 0), (2, 1)):
    difference = (nudged(which, place, 1e-5) - nudged(which, place, -1e-5)) / 2e-5
    same = np.isclose(hypergradient[which][place], difference, rtol=1e-5)
    print(("rate of step 3, layer 1", "momentum, layer 0", "L2, layer 1")[which], same)

# %% [markdown]
# PyTorch can do it, too, if it keeps the graph of each gradient (`create_graph`).


# %%
def torch_loss(w, rows):
    parts = torch.split(w, [int(size) for size in sizes])
    w1, b1, w2, b2 = (a.reshape(shape) for a, shape in zip(parts, shapes, strict=True))
    z = torch.tanh(torch.tensor(x[rows]) @ w1 + b1) @ w2 + b2
    return torch.nn.functional.cross_entropy(z, torch.tensor(y[rows]))


leaves = [torch.tensor(array, requires_grad=True) for array in hyper]
momentum, l2 = (leaf[torch.tensor(layer)] for leaf in leaves[1:])
w = torch.tensor(w0, requires_grad=True)
v = torch.zeros_like(w)
for alpha in leaves[0]:
    (g,) = torch.autograd.grad(torch_loss(w, train_set), w, create_graph=True)
    v = momentum * v - (1 - momentum) * (g + l2 * w)
    w = w + alpha[torch.tensor(layer)] * v
torch_loss(w, valid_set).backward()
for ours, theirs in zip(hypergradient, leaves, strict=True):
    print(f"shape {ours.shape!s:8} equal to torch's:", np.allclose(ours, theirs.grad))

# %% [markdown]
# Now use it. The common way to find hyperparameters is random search: draw, run, keep the best. Here
# a draw is six numbers: a rate, a momentum and an L2 for each layer. Nobody draws 124.


# %%
def natural(h):
    """From numbers without bounds to rates, momenta and penalties."""
    return np.exp(h["log_rate"]), sigma(h["logit"]), np.exp(h["log_l2"])


def draw():
    return {
        "log_rate": np.ones((60, 1)) * rng.uniform(np.log(0.1), np.log(10), 2),
        "logit": rng.uniform(-1, 4, 2),
        "log_l2": rng.uniform(np.log(1e-5), np.log(0.1), 2),
    }


def objective(h):
    return validation_loss(*natural(h))


draws = [draw() for _ in range(200)]
found = [objective(h) for h in tqdm(draws, leave=False)]

# %% [markdown]
# Take the best of the first 50 draws and go on from there by gradient, with all 124 numbers free. A
# hypergradient costs about five runs, so we spend 30 of them, and the rival may use all 200 draws.
#
# One precaution: look at the five best of the 50. A draw may owe its place to luck, on the edge of the
# chaos of section 8, and a long hypergradient gives it away. Start from the best with a short one.
#
# **Predict before you run.** Who reaches the lower validation loss? And on test data, which neither saw?

# %%
best_of_50 = [draws[i] for i in np.argsort(found[:50])[:5]]
short = [length(grad(objective)(h)) < 10 for h in best_of_50]
print("is the hypergradient shorter than 10?", *short)
start = best_of_50[short.index(True)]
tuned = descend(objective, start, np.linspace(0.1, 0, 25))
rival = draws[np.argmin(found)]

# %% tags=["nbval-ignore-output"]
ends = {}
for name, h in (("50 draws", start), ("200 draws", rival), ("50 + gradient", tuned)):
    w = train(*natural(h))
    ends[name] = loss(w, valid_set), loss(w, test_set)
    correct = np.mean(scores(w, test_set).argmax(axis=1) == digit[test_set])
    print(f"{name:14} validation {ends[name][0]:.3f}  test {ends[name][1]:.3f}", end="")
    print(f"  correct {correct:.1%}")

# %%
for i, name in enumerate(("validation", "test")):
    gain = ends["50 + gradient"][i] / ends["200 draws"][i]
    claim(f"{name} loss, gradient / 200 draws", gain, 0.5, 0.97)

# %% [markdown]
# Equal work, and the gradient wins on both. (So it did for 19 of the 20 seeds that we tried.) Its
# cost does not depend on the number of hyperparameters. The share of correct answers gains less: the
# gradient improves what it is asked to improve.
#
# The picture shows the learned rate of each layer at each of the 60 steps, with the constant rates that
# it started from as thin dashed lines. The schedules rise and fall by factors, each in its own way.

# %%
fig, ax = plt.subplots()
for i, name in enumerate(("first layer", "second layer")):
    ax.semilogy(np.exp(tuned["log_rate"][:, i]), color=plots.COLORS[i], label=name)
    constant = np.exp(start["log_rate"][0, i])
    ax.axhline(constant, color=plots.COLORS[i], linestyle="--", linewidth=1)
ax.set(xlabel="step", ylabel="learning rate", title="Schedules found by gradient")
ax.yaxis.set_major_formatter("{x:g}")
ax.yaxis.set_minor_formatter("")
ax.legend()
plt.show()

# %% [markdown]
# ## 7 · Memory, and running backwards
#
# The walk back needs every weight of every step.
#
# **Predict before you run.** 50 steps of this run of 1,510 weights take 34 MB. And 200 steps?


# %%
def megabytes(steps):
    tracemalloc.start()
    make_vjp(validation_loss)(np.full((steps, 2), 0.5), *hyper[1:])
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


claim("MB for  50 steps", megabytes(50), 30, 38)
claim("MB for 200 steps", megabytes(200), 120, 150)

# %% [markdown]
# A real run, of $10^7$ weights and $10^5$ steps, would take at least 8 terabytes. But look at (6):
# momentum forgets nothing. From the *last* state you can compute the one before it, and so on to the
# start, with two vectors in memory (algorithm 2):
#
# $$w_t = w_{t+1} - \alpha_t v_{t+1}, \qquad
# v_t = \frac{v_{t+1} + (1 - \gamma)\, g_t}{\gamma}, \qquad g_t = \nabla L(w_t) + \lambda w_t \tag{7}$$
#
# **Predict before you run.** That is true on paper. A double has 53 bits, and each step with
# $\gamma = \tfrac12$ pushes one bit of the past out of $v$. After how many steps back is nothing right?


# %%
def there_and_back(gamma, steps):
    """Largest error of the weights after each step back, from the last to the first."""
    w, v, path, errors = w0, np.zeros(len(w0)), [], []
    for _ in range(steps):
        path.append(w)
        v = gamma * v - (1 - gamma) * training_gradient(w)
        w = w + 0.5 * v
    for before in reversed(path):
        w = w - 0.5 * v
        v = (v + (1 - gamma) * training_gradient(w)) / gamma
        errors.append(np.max(np.abs(w - before)))
    return errors


errors = there_and_back(0.5, 60)
for steps in (20, 40, 60):
    print(f"{steps} steps back: error below 0.1", errors[steps - 1] < 0.1)

# %% [markdown]
# Each step back doubles the error. The bits that fall out must be kept. Take integers
# (**fixed point**: $w \cdot 2^{40}$, rounded) and multiply by a fraction $n/d$ (algorithm 3). Dividing
# by $d$ drops a remainder: store it. Multiplying by $n$ leaves a gap: fill it with what was stored
# before. So the store grows by no more than $\log_2 (d/n)$ bits a step.
#
# By hand, $47 \cdot \tfrac{9}{10}$: 47 is 4 tens, remainder 7; the store holds 7. Four nines are 36,
# plus 7 from the store: 43. To undo it, multiply by $\tfrac{10}{9}$ in the same way.


# %%
def multiply(c, n, d, store):
    """c n / d in integers, losing nothing: (product, store). Undone by c d / n."""
    store = store * d + c % d  # what the division drops goes in
    c = c // d * n + (store % n).astype(int)  # and fills the gap of the product
    return c, store // n


c, store = np.array([47]), np.array([0], dtype=object)  # integers of any length
product, store = multiply(c, 9, 10, store)
print(c, "→", product, "→", multiply(product, 10, 9, store)[0])

# %% [markdown]
# Everything else in (6) is addition, which integers undo exactly. So train 100 steps with
# $\gamma = \tfrac{9}{10}$ this way.
#
# **Predict before you run.** How many bits does the store need for each weight?

# %%
ONE, n, d = 2.0**40, 9, 10
rate, gamma, l2 = np.full((100, 2), 0.5), n / d, np.array([1e-3, 1e-2])


def fixed(a):
    return np.rint(a * ONE).astype(int)


def exact_gradient(w):
    return training_gradient(w / ONE) + l2[layer] * (w / ONE)


w, v, store = fixed(w0), np.zeros(len(w0), int), np.zeros(len(w0), object)
for alpha in rate:
    v, store = multiply(v, n, d, store)
    v = v - fixed((1 - gamma) * exact_gradient(w))
    w = w + fixed(alpha[layer] * (v / ONE))
bits = np.mean([number.bit_length() for number in store])
print("100 log2(10/9) =", round(100 * np.log2(d / n), 1))
claim("bits in the store, per weight", bits, 14, 16)

# %% [markdown]
# A hundred weights of 64 bits would be 6,400, four hundred times as many. Now walk back, and do lecture 08's backward pass
# on the way. With $\bar a$ for the gradient of the validation loss with respect to $a$, the chain
# rule of (6) says, one step at a time:
#
# $$\bar\alpha_t = \bar w \cdot v_{t+1}, \quad \bar v \leftarrow \bar v + \alpha_t \bar w, \quad
# \bar g = -(1 - \gamma)\, \bar v, \quad \bar\gamma \leftarrow \bar\gamma + \bar v \cdot (v_t + g_t)$$
#
# $$\bar\lambda \leftarrow \bar\lambda + \bar g \cdot w_t, \quad
# \bar w \leftarrow \bar w + \nabla^2 L(w_t)\, \bar g + \lambda \bar g, \quad
# \bar v \leftarrow \gamma \bar v \tag{8}$$
#
# The only second derivative is a Hessian times a vector. Lecture 08 has it without the Hessian.

# %%
curvature = hessian_vector_product(lambda w: loss(w, train_set))
d_w, d_v = grad(loss)(w / ONE, valid_set), np.zeros(len(w))
d_rate, d_gamma, d_l2 = [], 0.0, 0.0
for alpha in rate[::-1]:
    d_rate.append(np.bincount(layer, d_w * (v / ONE)))  # summed for each layer
    d_v = d_v + alpha[layer] * d_w
    w = w - fixed(alpha[layer] * (v / ONE))
    g = exact_gradient(w)
    v, store = multiply(v + fixed((1 - gamma) * g), d, n, store)
    d_g = -(1 - gamma) * d_v
    d_gamma = d_gamma + np.bincount(layer, d_v * (v / ONE + g))
    d_l2 = d_l2 + np.bincount(layer, d_g * (w / ONE))
    d_w = d_w + curvature(w / ONE, d_g) + l2[layer] * d_g
    d_v = gamma * d_v

# %%
print("first weights, to the last bit:", np.array_equal(w, fixed(w0)))
print("momentum and store are empty:  ", not np.any(v) and not np.any(store))
traced = grad(validation_loss, argnum=(0, 1, 2))(rate, np.full(2, gamma), l2)
reversed_ones = np.stack(d_rate[::-1]), d_gamma, d_l2
for name, a, b in zip(("rate", "momentum", "L2"), reversed_ones, traced, strict=True):
    print(f"{name:9}equal to the traced gradient:", np.allclose(a, b, rtol=1e-5))

# %% [markdown]
# ## 8 · Chaos
#
# Back to one network of section 5: 60 steps of SGD, at 300 rates. They run together, as rows of an
# array.
#
# **Predict before you run.** The gradient is exact at every rate. At which of them is it of use?

# %%
small_loss, small_theta = networks(1, examples=32)
many_rates = np.geomspace(0.1, 1000, 300)


def loss_after_60(rates):
    theta = np.broadcast_to(small_theta, (len(rates), small_theta.size))
    return unroll(sgd, (rates, 0.9), (small_loss, theta), 60)[-1]


last, slope = [], []
for rates in np.split(many_rates[:, None], 10):  # ten parts, to save memory
    last.extend(loss_after_60(rates))
    slope.extend(np.abs(elementwise_grad(loss_after_60)(rates))[:, 0])
slope = np.array(slope)

# %% [markdown]
# The picture shows the loss after 60 steps over the learning rate, above, and the size of its gradient,
# below, all axes logarithmic. Up to a rate near 20 both fall smoothly. Near 100 the loss jumps up and
# becomes a rough wall, and the gradient grows by ten powers of ten and more, differently at each rate.

# %%
fig, (above, below) = plt.subplots(2, 1, figsize=(7, 5), sharex=True)
above.loglog(many_rates, last, ".-", markersize=2, linewidth=0.5)
below.loglog(many_rates, slope, ".-", markersize=2, linewidth=0.5)
above.set(ylabel="loss after 60 steps", title="Smooth, then chaotic")
below.set(xlabel="learning rate", ylabel="|gradient|")
plt.show()

# %%
smooth, wild = slope[many_rates < 10].max(), np.median(slope[many_rates > 200])
claim("median slope above 200 / largest below 10", wild / smooth, 1e2, 1e12)
best = many_rates[np.argmin(last)]
claim("the best rate", best, 15, 300)

# %% [markdown]
# Past the edge, a nudge of a weight grows at every step. The gradient is still right, for a nudge so small
# that nobody can take it. The trouble is that the best rates lie *next to* the edge. So: start where the
# hypergradient is short, take small steps in the logarithm, clip, and keep the horizon short.
#
# ## What you can do now
#
# - Differentiate through a training run, and check the hypergradient by finite differences, by torch, and
#   by running backwards.
# - Train an optimiser, and judge it fairly: tuned rivals, held-out tasks, steps beyond the horizon.
# - Make a run reversible to the last bit, for a fraction of a bit per weight and step.
#
# **Where the idea broke.** A learned optimiser knows its horizon and its family of tasks, and little
# beyond. Much larger ones ([Metz et al. 2022](https://arxiv.org/abs/2211.09760), thousands of months of
# accelerator time) know more, and still most people use Adam. Long unrolled runs have gradients that
# explode ([Metz et al. 2021](https://arxiv.org/abs/2111.05803)). Hypergradients find the nearest valley,
# and many hyperparameters can overfit the validation data, too.
#
# **References.**
# [Andrychowicz et al. 2016](https://arxiv.org/abs/1606.04474), learning to learn ·
# [Maclaurin, Duvenaud & Adams 2015](https://arxiv.org/abs/1502.03492), hyperparameters and reversal ·
# [Bengio 2000](https://doi.org/10.1162/089976600300015187), hyperparameters by gradient, early ·
# [Bergstra & Bengio 2012](https://jmlr.org/papers/v13/bergstra12a.html), random search ·
# [Wichrowska et al. 2017](https://arxiv.org/abs/1703.04813), optimisers that generalise.
#
# **Next.** Exercise 09: you unroll, train and reverse learning yourself.
