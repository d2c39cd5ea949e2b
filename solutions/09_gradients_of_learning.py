# %% [markdown]
# # Exercise 09 · Gradients of learning
#
# **What you build.** Training runs that you can differentiate: with respect to a learning rate of
# each step, to a momentum, to a penalty for each feature, to the parameters of an optimiser that is
# itself a small network. You also build a run that goes backwards to the last bit, and two
# instruments that say when the gradient of a run has become useless.
#
# *You need* lecture 09. *It takes* about three hours. *It is worth* 30 points in six questions,
# which don't depend on one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points, so half an answer earns half of them. To
# see where you stand, save the notebook and give its path to `.venv/bin/course check`: it tells
# your points in words. `.venv/bin/pytest --nbval` shows each difference. Functions that only checks
# call are taken away when your work is graded: don't call them in your answers.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ investigate.
#
# As in the lecture, `np` is the traced NumPy of `helpers.autodiff`. Hyperparameters that must stay
# positive come as logarithms, and a momentum, which must stay between 0 and 1, comes as
# $\sigma^{-1}$ of it, its **logit**. So every real number is a legal value, and a gradient step
# never leaves the range.

# %%
import matplotlib.pyplot as plt
import torch
from scipy.optimize import approx_fprime

from helpers import plots
from helpers.autodiff import (
    elementwise_grad,
    grad,
    hessian_vector_product,
    jacobian,
    make_jvp,
    value_and_grad,
)
from helpers.autodiff import numpy as np
from helpers.autodiff.tracing import unbox
from helpers.course.checks import check
from helpers.device import seed_everything

seed_everything(9)
plots.use_style()


def sigma(x):
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(x / 2))


# %% [markdown]
# ## Question 1 · A training run as a function
# ★ · 15 minutes · 4 points
#
# Gradient descent with momentum keeps a velocity $v$, which starts at 0. With the rate $\alpha$
# and the momentum $\gamma$, one step on the loss $f$ is (Maclaurin, Duvenaud and Adams 2015,
# algorithm 1)
#
# $$v_{t+1} = \gamma v_t - (1 - \gamma) \nabla f(\theta_t), \qquad
# \theta_{t+1} = \theta_t + \alpha v_{t+1} \tag{1}$$
#
# Write the whole run as a **pure function**: its result depends on its arguments only, and it
# changes nothing outside. The hyperparameters arrive as `{"log_rate": log α, "logit": σ⁻¹(γ)}`.
# Return the path, all points from $\theta_0$ to the last.
#
# Your function will be differentiated with respect to `hyper`. So its arithmetic must be traced:
# `np` for every function, no `float()`, no `+=` on an array.
#
# <details><summary>Hint 1</summary>
#
# First turn `hyper` into $\alpha$ and $\gamma$, by `np.exp` and `sigma`. Then the loop is (1), line
# by line. Which velocity moves $\theta$: the one before the step, or the one after?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Collect the points in a list and end with `np.stack`. Write `theta = theta + ...`, which makes a
# new array. What would `theta += ...` do to the points that are already in your list?
#
# </details>


# %% answer="run"
def train(hyper, gradient, theta, steps):
    """The path of gradient descent with momentum.

    Args:
        hyper: {"log_rate": a number, "logit": a number}.
        gradient: a function; gradient(theta) is the gradient of the loss, (D,).
        theta: (D,) floats, where the run starts.
        steps: number of steps.

    Returns:
        (steps + 1, D) floats; row 0 is theta, row t the weights after t steps.

    Example: gradient(theta) = theta, α = 1, γ = 1/2, theta [4.0], 2 steps
        -> v is 0, -2, -2 and the path is [[4.0], [2.0], [0.0]]
    """
    # BEGIN SOLUTION
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = momentum * v - (1 - momentum) * gradient(theta)
        theta = theta + rate * v
        path.append(theta)
    return np.stack(path)
    # END SOLUTION


# %%
def bowl(rng, dim):
    """A random quadratic loss ½ θᵀHθ - bᵀθ, as (H, b); curvatures from 0.3 to 2.5."""
    q, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return (q * np.linspace(0.3, 2.5, dim)) @ q.T, rng.normal(size=dim)


def path_by_matrices(x, H, b, theta, steps):
    """The path on a quadratic, x = (log α, logit γ): a step is one matrix for (θ, v, 1)."""
    a, m, n = np.exp(x[0]), 1 / (1 + np.exp(-x[1])), len(b)
    same, row = np.eye(n), np.zeros((1, n))
    velocity = np.hstack([-(1 - m) * H, m * same, (1 - m) * b[:, None]])
    place = a * velocity + np.hstack([same, np.zeros((n, n + 1))])
    M = np.vstack([place, velocity, np.hstack([row, row, [[1.0]]])])
    start = np.concatenate([theta, np.zeros(n), [1.0]])
    powers = [np.linalg.matrix_power(M, t) for t in range(steps + 1)]
    return np.array([(power @ start)[:n] for power in powers])


# %% check="run" points=1
with check("Six steps in a random bowl of three dimensions, α = 0.7, γ = 0.6") as c:
    rng = np.random.default_rng(11)
    (H, b), theta = bowl(rng, 3), rng.normal(size=3)
    x = np.array([np.log(0.7), np.log(0.6 / 0.4)])
    hyper = {"log_rate": x[0], "logit": x[1]}
    got = train(hyper, lambda theta: H @ theta - b, theta, 6)
    want = path_by_matrices(x, H, b, theta, 6)
    c.close(
        "path",
        got,
        want,
        rtol=1e-7,
        hint="Compute the first two steps by hand from (1): signs, factors, and which "
        "velocity moves theta. Are α and γ what they should be?",
    )
    c.show("last point", np.asarray(got)[-1])

# %% check="run" part="traced" points=1 tags=["rtol=1e-3"]
with check("Gradient of the last point's distance from 0, by the engine") as c:
    rng = np.random.default_rng(12)
    (H, b), theta = bowl(rng, 4), rng.normal(size=4)

    def distance(hyper):
        return np.sum(train(hyper, lambda theta: H @ theta - b, theta, 9)[-1] ** 2)

    for x in np.array([[-0.9, 1.3], [0.2, 0.5]]):
        got = grad(distance)({"log_rate": x[0], "logit": x[1]})
        want = approx_fprime(
            x, lambda x: np.sum(path_by_matrices(x, H, b, theta, 9)[-1] ** 2)
        )
        c.close(
            "with respect to log rate and logit",
            [got["log_rate"], got["logit"]],
            want,
            rtol=1e-4,
            hint="Does every operation between `hyper` and the path go through np, and "
            "is every array a new one?",
        )

# %% check="run" part="pure" points=1
with check("The same arguments twice, with another run in between") as c:
    rng = np.random.default_rng(13)
    (H, b), theta = bowl(rng, 3), rng.normal(size=3)
    x = np.array([-0.2, 0.4])
    hyper, before = {"log_rate": x[0], "logit": x[1]}, theta.copy()
    first = train(hyper, lambda theta: H @ theta - b, theta, 5)
    c.close(
        "theta is as it was",
        theta,
        before,
        hint="Which line changes an array in place, one that belongs to the caller?",
    )
    train(hyper, lambda theta: 3 * theta, rng.normal(size=3), 4)
    again = train(hyper, lambda theta: H @ theta - b, before.copy(), 5)
    want = path_by_matrices(x, H, b, before, 5)[-1]
    hint = "Does anything survive from one call to the next? With which velocity begins a run?"
    c.close("last point", np.asarray(first)[-1], want, rtol=1e-7, hint=hint)
    c.close("last point, again", np.asarray(again)[-1], want, rtol=1e-7, hint=hint)

# %% check="run" part="hidden" points=1 tags=["rtol=1e-4"]
# BEGIN HIDDEN TESTS
with check(
    "Fifteen steps on a loss that is no bowl, six dimensions, two settings"
) as c:
    rng = np.random.default_rng(14)
    A, y, theta = rng.normal(size=(9, 6)), rng.normal(size=9), rng.normal(size=6)
    for log_rate, logit in ((-1.1, 2.0), (0.1, -0.7)):
        hyper = {"log_rate": log_rate, "logit": logit}
        got = train(hyper, lambda w: A.T @ np.tanh(A @ w - y) / 9, theta, 15)
        w, v = torch.tensor(theta, requires_grad=True), torch.zeros(6)
        m = torch.sigmoid(torch.tensor(logit, dtype=torch.float64))
        for _ in range(15):
            f = torch.cosh(torch.tensor(A) @ w - torch.tensor(y)).log().mean()
            v = m * v - (1 - m) * torch.autograd.grad(f, w)[0]
            w = (w + np.exp(log_rate) * v).detach().requires_grad_()
        c.equal("shape", list(np.shape(got)), [16, 6])
        c.close("last point", np.asarray(got)[-1], w.detach().numpy(), rtol=1e-6)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# A pure function is what makes the rest of this notebook one line each: `grad` of it is the gradient
# of learning. An optimiser object, with its state hidden inside and its weights changed in place,
# would hold the same arithmetic, but nothing that you can differentiate or call twice.
#
# The check computes the path another way. On a quadratic, a step is linear in $(\theta, v, 1)$, so
# $t$ steps are the $t$-th power of one matrix.


# %% wrong="run" why="adds the gradient to the velocity: the run climbs" says="signs, factors"
def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = momentum * v + (1 - momentum) * gradient(theta)
        theta = theta + rate * v
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="leaves out the factor 1 - γ of the gradient" says="signs, factors"
def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = momentum * v - gradient(theta)
        theta = theta + rate * v
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="moves with the velocity from before the step" says="which velocity moves theta"
def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        theta, v = theta + rate * v, momentum * v - (1 - momentum) * gradient(theta)
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="uses the logarithm as the rate and the logit as the momentum" says="Are α and γ what they should be"
def train(hyper, gradient, theta, steps):
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = hyper["logit"] * v - (1 - hyper["logit"]) * gradient(theta)
        theta = theta + hyper["log_rate"] * v
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="moves theta in place: the caller's array changes, and every row is the last" says="belongs to the caller"
def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = momentum * v - (1 - momentum) * gradient(theta)
        theta += rate * v
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="takes floats out of the hyperparameters: nothing is traced" says="your code raised TypeError"
def train(hyper, gradient, theta, steps):
    rate, momentum = float(np.exp(hyper["log_rate"])), float(sigma(hyper["logit"]))
    path, v = [theta], np.zeros(theta.shape)
    for _ in range(steps):
        v = momentum * v - (1 - momentum) * gradient(theta)
        theta = theta + rate * v
        path.append(theta)
    return np.stack(path)


# %% wrong="run" why="keeps the velocity from the run before" says="With which velocity begins a run"
memory = {}


def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    path, v = [theta], memory.get(len(theta), np.zeros(theta.shape))
    for _ in range(steps):
        v = momentum * v - (1 - momentum) * gradient(theta)
        theta = theta + rate * v
        path.append(theta)
    memory[len(theta)] = unbox(v)
    return np.stack(path)


# %% right="run" why="without a velocity: momentum is a share of the last step"
def train(hyper, gradient, theta, steps):
    rate, momentum = np.exp(hyper["log_rate"]), 1 / (1 + np.exp(-hyper["logit"]))
    path = [theta, theta - rate * (1 - momentum) * gradient(theta)]
    while len(path) <= steps:
        pull = rate * (1 - momentum) * gradient(path[-1])
        path.append(path[-1] + momentum * (path[-1] - path[-2]) - pull)
    return np.stack(path)


# %% [markdown]
# ## Question 2 · Hypergradients
# ★★ · 25 minutes · 5 points
#
# How good was a training run? Ask examples that it has not seen: the **validation** loss of its
# last weights. Take the run (1) on the training loss, with a rate of its own for each of its $T$
# steps and one momentum. The result is a function of $T + 1$ hyperparameters:
#
# $$F(\log\alpha_0, \ldots, \log\alpha_{T-1}, \sigma^{-1}(\gamma))
# = f_{\text{validation}}(\theta_T) \tag{2}$$
#
# Return $F$ and its gradient, the **hypergradient**. The number of steps is the length of
# `hyper["log_rate"]`. Step $t$ of (1), which leads from $\theta_t$ to $\theta_{t+1}$, uses
# $\alpha_t$.
#
# <details><summary>Hint 1</summary>
#
# Write $F$ as an inner function of `hyper` alone. Two losses take part in it. Which one gives the
# steps, and which one gives the value?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The gradient inside the loop comes from `grad` too. It depends on $\theta_t$, which depends on
# `hyper`: leave it traced, and nesting does the rest. Convert `hyper["log_rate"]` to rates *inside*
# of $F$.
#
# </details>


# %% answer="hypergradient"
def hypergradient(hyper, loss, training, validation, theta):
    """The validation loss after training, and its gradient.

    Args:
        hyper: {"log_rate": (T,) floats, one for each step, "logit": a number}.
        loss: a function; loss(theta, X, y) is a number.
        training: (X, y), the examples that give the steps.
        validation: (X, y), the examples that judge the last weights.
        theta: (D,) floats, where the run starts; the velocity starts at 0.

    Returns:
        value: the validation loss after T steps.
        gradient: {"log_rate": (T,), "logit": a number}, of value with respect to hyper.
    """

    # BEGIN SOLUTION
    def result(hyper):
        gradient = grad(lambda w: loss(w, *training))
        momentum, w, v = sigma(hyper["logit"]), theta, np.zeros(len(theta))
        for t in range(len(hyper["log_rate"])):
            v = momentum * v - (1 - momentum) * gradient(w)
            w = w + np.exp(hyper["log_rate"][t]) * v
        return loss(w, *validation)

    return value_and_grad(result)(hyper)
    # END SOLUTION


# %%
def squared_error(theta, X, y):
    return np.mean((X @ theta - y) ** 2)


def regression(rng, examples=(8, 12), dim=3, noise=0.5):
    """Training and validation examples of one random linear truth."""
    truth, sets = rng.normal(size=dim), []
    for n in examples:
        X = rng.normal(size=(n, dim)) * np.linspace(0.6, 1.6, dim)
        sets.append((X, X @ truth + noise * rng.normal(size=n)))
    return sets


def plain_result(x, training, validation, theta):
    """(2) for squared errors, untraced; x is (T + 1,), the log rates and the logit."""
    (X, y), v, m = training, 0.0, 1 / (1 + np.exp(-x[-1]))
    for rate in np.exp(x[:-1]):
        v = m * v - (1 - m) * 2 * X.T @ (X @ theta - y) / len(y)
        theta = theta + rate * v
    X, y = validation
    return np.mean((y - X @ theta) ** 2)


# %% check="hypergradient" part="value" points=1
with check("Linear regression: the validation loss after 4, 7 and 10 steps") as c:
    rng = np.random.default_rng(21)
    for steps in (4, 7, 10):
        training, validation = regression(rng)
        theta, x = rng.normal(size=3), rng.uniform(-3, -0.5, size=steps + 1)
        hyper = {"log_rate": x[:-1], "logit": x[-1]}
        value, _ = hypergradient(hyper, squared_error, training, validation, theta)
        c.close(
            "value",
            value,
            plain_result(x, training, validation, theta),
            hint="Which examples give the steps, which judge, and the weights of which "
            "step? Is the velocity carried from step to step?",
        )

# %% check="hypergradient" points=2 tags=["rtol=1e-3"]
with check("Its gradient, against finite differences by SciPy") as c:
    rng = np.random.default_rng(22)
    training, validation = regression(rng)
    theta, x = rng.normal(size=3), rng.uniform(-3, -0.5, size=8)
    hyper = {"log_rate": x[:-1], "logit": x[-1]}
    _, got = hypergradient(hyper, squared_error, training, validation, theta)
    want = approx_fprime(x, plain_result, 1e-7, training, validation, theta)
    c.close(
        "with respect to the log rates",
        got["log_rate"],
        want[:-1],
        rtol=1e-4,
        atol=1e-6,
        hint="Only the last entry right: what does the gradient inside the loop depend "
        "on? None right: of which loss, and with respect to rate or log rate?",
    )

# %% check="hypergradient" part="momentum" points=1 tags=["rtol=1e-3"]
with check("The momentum, in three runs of 4, 8 and 12 steps") as c:
    rng = np.random.default_rng(23)
    for steps in (4, 8, 12):
        training, validation = regression(rng)
        theta, x = rng.normal(size=3), rng.uniform(-2.5, -0.5, size=steps + 1)
        hyper = {"log_rate": x[:-1], "logit": x[-1]}
        _, got = hypergradient(hyper, squared_error, training, validation, theta)
        want = approx_fprime(x, plain_result, 1e-7, training, validation, theta)
        c.close(
            f"with respect to the logit, {steps} steps",
            got["logit"],
            want[-1],
            rtol=1e-3,
            atol=1e-6,
            hint="Through which two places of (1) does γ reach θ_T? Is it the logit's gradient?",
        )

# %% check="hypergradient" part="hidden" points=1 tags=["rtol=1e-4"]
# BEGIN HIDDEN TESTS
with check("Logistic regression, five features, 10 steps") as c:
    rng = np.random.default_rng(24)
    (X, y), (X_val, y_val) = regression(rng, examples=(20, 30), dim=5)
    training, validation = (X, np.sign(y)), (X_val, np.sign(y_val))
    theta, x = rng.normal(size=5), rng.uniform(-2, 0.5, size=11)
    value, got = hypergradient(
        {"log_rate": x[:-1], "logit": x[-1]},
        lambda theta, X, y: np.mean(np.logaddexp(0.0, -y * (X @ theta))),
        training,
        validation,
        theta,
    )
    h = torch.tensor(x, requires_grad=True)
    w, v, m = torch.tensor(theta, requires_grad=True), 0.0, torch.sigmoid(h[-1])
    data = [[torch.tensor(a) for a in pair] for pair in (training, validation)]

    def torch_loss(w, X, y):
        return torch.nn.functional.softplus(-y * (X @ w)).mean()

    for t in range(10):
        (g,) = torch.autograd.grad(torch_loss(w, *data[0]), w, create_graph=True)
        v = m * v - (1 - m) * g
        w = w + h[t].exp() * v
    torch_loss(w, *data[1]).backward()
    c.close("value", value, torch_loss(w, *data[1]).item())
    c.close("log rates", got["log_rate"], h.grad[:-1].numpy())
    c.close("logit", got["logit"], h.grad[-1].item())
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The outer `grad` walks back through all steps, and at each step through the inner `grad`: that is
# where second derivatives come in. Cut that path, and the early rates get a gradient that ignores
# what their step did to all the later ones. The last rate would still be right, because nothing
# comes after it.
#
# The second of the right answers below is the same walk by hand, the paper's algorithm 2. It holds
# two vectors, $d\theta = \partial F / \partial \theta_t$ and $dv = \partial F / \partial v_t$, and
# needs one Hessian-vector product for each step. All that it needs of the run are the weights and
# velocities along the way, in reverse order. Question 4 asks how to have them without storing them.


# %% wrong="hypergradient" why="judges by the training loss: tunes the run to its own examples" says="Which examples give the steps"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient = grad(lambda w: loss(w, *training))
        momentum, w, v = sigma(hyper["logit"]), theta, np.zeros(len(theta))
        for t in range(len(hyper["log_rate"])):
            v = momentum * v - (1 - momentum) * gradient(w)
            w = w + np.exp(hyper["log_rate"][t]) * v
        return loss(w, *training)

    return value_and_grad(result)(hyper)


# %% wrong="hypergradient" why="takes the gradients inside the loop for constants" says="what does the gradient inside the loop depend"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient = grad(lambda w: loss(w, *training))
        momentum, w, v = sigma(hyper["logit"]), theta, np.zeros(len(theta))
        for t in range(len(hyper["log_rate"])):
            v = momentum * v - (1 - momentum) * gradient(unbox(w))
            w = w + np.exp(hyper["log_rate"][t]) * v
        return loss(w, *validation)

    return value_and_grad(result)(hyper)


# %% wrong="hypergradient" why="differentiates with respect to the rates and the momentum themselves" says="with respect to rate or log rate"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient = grad(lambda w: loss(w, *training))
        w, v = theta, np.zeros(len(theta))
        for t in range(len(hyper["rate"])):
            v = hyper["momentum"] * v - (1 - hyper["momentum"]) * gradient(w)
            w = w + hyper["rate"][t] * v
        return loss(w, *validation)

    plain = {"rate": np.exp(hyper["log_rate"]), "momentum": sigma(hyper["logit"])}
    value, slope = value_and_grad(result)(plain)
    return value, {"log_rate": slope["rate"], "logit": slope["momentum"]}


# %% wrong="hypergradient" why="stops the gradient at the state: only the last step counts" says="Only the last entry right"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient = grad(lambda w: loss(w, *training))
        momentum, w, v = sigma(hyper["logit"]), theta, np.zeros(len(theta))
        for t in range(len(hyper["log_rate"])):
            w, v = unbox(w), unbox(v)
            v = momentum * v - (1 - momentum) * gradient(w)
            w = w + np.exp(hyper["log_rate"][t]) * v
        return loss(w, *validation)

    return value_and_grad(result)(hyper)


# %% wrong="hypergradient" why="starts each step with the velocity 0" says="Is the velocity carried"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient, w = grad(lambda w: loss(w, *training)), theta
        for t in range(len(hyper["log_rate"])):
            v = -(1 - sigma(hyper["logit"])) * gradient(w)
            w = w + np.exp(hyper["log_rate"][t]) * v
        return loss(w, *validation)

    return value_and_grad(result)(hyper)


# %% wrong="hypergradient" why="averages the validation loss over the run" says="the weights of which step"
def hypergradient(hyper, loss, training, validation, theta):
    def result(hyper):
        gradient, losses = grad(lambda w: loss(w, *training)), []
        momentum, w, v = sigma(hyper["logit"]), theta, np.zeros(len(theta))
        for t in range(len(hyper["log_rate"])):
            v = momentum * v - (1 - momentum) * gradient(w)
            w = w + np.exp(hyper["log_rate"][t]) * v
            losses.append(loss(w, *validation))
        return np.mean(np.stack(losses))

    return value_and_grad(result)(hyper)


# %% right="hypergradient" why="one step as a function of (weights, velocity), rates first turned into an array"
def hypergradient(hyper, loss, training, validation, theta):
    gradient = grad(loss)

    def result(log_rate, logit):
        rates, momentum = np.exp(log_rate), 1 / (1 + np.exp(-logit))
        state = (theta, 0 * theta)
        for t in range(len(log_rate)):
            w, v = state
            v = v * momentum + (momentum - 1) * gradient(w, *training)
            state = (w + rates[t] * v, v)
        return loss(state[0], *validation)

    arguments = hyper["log_rate"], hyper["logit"]
    value, slopes = value_and_grad(result, (0, 1))(*arguments)
    return value, dict(zip(("log_rate", "logit"), slopes, strict=True))


# %% right="hypergradient" why="the walk back by hand, with Hessian-vector products (algorithm 2 of the paper)"
def hypergradient(hyper, loss, training, validation, theta):
    gradient = grad(lambda w: loss(w, *training))
    curvature = hessian_vector_product(lambda w: loss(w, *training))
    rates, m = np.exp(hyper["log_rate"]), sigma(hyper["logit"])
    ws, vs = [theta], [np.zeros(len(theta))]
    for rate in rates:
        vs.append(m * vs[-1] - (1 - m) * gradient(ws[-1]))
        ws.append(ws[-1] + rate * vs[-1])
    value, dw = value_and_grad(loss)(ws[-1], *validation)
    dv, d_rates, dm = np.zeros(len(theta)), np.zeros(len(rates)), 0.0
    for t in reversed(range(len(rates))):
        d_rates[t] = dw @ vs[t + 1]
        dv = dv + rates[t] * dw
        dm += dv @ (vs[t] + gradient(ws[t]))
        dw = dw - (1 - m) * curvature(ws[t], dv)
        dv = m * dv
    return value, {"log_rate": rates * d_rates, "logit": m * (1 - m) * dm}


# %% [markdown]
# ## Question 3 · A penalty for each feature
# ★★ · 30 minutes · 5 points
#
# Twelve examples, eight features: least squares will fit noise. An L2 penalty holds weights down,
# and the right penalty for each feature would hold down just those of useless features. Nobody can
# search eight penalties on a grid. You have their gradient.
#
# Train by plain gradient descent from $\theta_0 = 0$, without momentum, on the training error plus
# the penalty. $\lambda_j$ belongs to feature $j$:
#
# $$J(\theta) = f_{\text{training}}(\theta) + \tfrac12 \sum_j \lambda_j \theta_j^2, \qquad
# \theta_{t+1} = \theta_t - \alpha \nabla J(\theta_t) \tag{3}$$
#
# The result is the validation *error*, without penalty: $F(\log\lambda) =
# f_{\text{validation}}(\theta_T)$. Then descend on it, from one training run to the next:
#
# $$\log\lambda \leftarrow \log\lambda - \beta \, \nabla F(\log\lambda) \tag{4}$$
#
# <details><summary>Hint 1</summary>
#
# `validation_error` is question 2 without momentum, with `log_l2` in place of `hyper`. Where do you
# turn $\log\lambda$ into $\lambda$, so that the gradient comes out for the logarithm?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `grad(validation_error)` differentiates with respect to the first argument. Every round
# of (4) trains anew, from 0.
#
# </details>


# %% answer="penalty"
def validation_error(log_l2, training, validation, rate, steps):
    """The validation error after training with a penalty for each feature.

    Args:
        log_l2: (D,) floats, log λ.
        training, validation: (X, y), X of shape (n, D), y of shape (n,).
        rate, steps: α and the number of steps of (3) from θ = 0.

    Returns:
        The mean squared error of the last weights on the validation examples.
    """
    # BEGIN SOLUTION
    l2, theta = np.exp(log_l2), np.zeros(len(log_l2))

    def penalised(theta):
        return squared_error(theta, *training) + 0.5 * np.sum(l2 * theta**2)

    for _ in range(steps):
        theta = theta - rate * grad(penalised)(theta)
    return squared_error(theta, *validation)
    # END SOLUTION


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    """Apply (4), with β = outer_rate, for a number of rounds.

    Returns:
        log_l2: (D,) floats, log λ after the last round.
        errors: list of rounds + 1 validation errors, for each log λ on the way.
    """
    # BEGIN SOLUTION
    fixed, errors = (training, validation, rate, steps), []
    for _ in range(rounds):
        errors.append(validation_error(log_l2, *fixed))
        log_l2 = log_l2 - outer_rate * grad(validation_error)(log_l2, *fixed)
    return log_l2, [*errors, validation_error(log_l2, *fixed)]
    # END SOLUTION


# %%
def sparse_examples(rng, examples=(12, 40), useful=(0, 2, 4, 6), dim=8):
    """Training and validation examples in which only some features matter."""
    truth, sets = np.zeros(dim), []
    truth[list(useful)] = rng.choice([-1, 1], len(useful)) * rng.uniform(
        1, 2, len(useful)
    )
    for n in examples:
        X = rng.normal(size=(n, dim))
        sets.append((X, X @ truth + rng.normal(size=n)))
    return sets


def closed_form(log_l2, training, validation, rate, steps):
    """F and its gradient by torch: on a quadratic, T steps of (3) are a matrix power."""
    x = torch.tensor(log_l2, dtype=torch.float64, requires_grad=True)
    X, y, X_val, y_val = (torch.tensor(a) for a in (*training, *validation))
    A = 2 * X.T @ X / len(y) + torch.diag(x.exp())
    same = torch.eye(len(x), dtype=torch.float64)
    b = torch.linalg.solve(A, 2 * X.T @ y / len(y))
    theta = (same - torch.linalg.matrix_power(same - rate * A, steps)) @ b
    error = ((X_val @ theta - y_val) ** 2).mean()
    error.backward()
    return error.item(), x.grad.numpy()


def closed_form_descent(x, training, validation, rate, steps, outer_rate, rounds):
    for _ in range(rounds):
        gradient = closed_form(x, training, validation, rate, steps)[1]
        x = x - outer_rate * gradient
    return x


# %% check="penalty" part="value" points=1
with check("Validation error after 5, 15 and 30 steps") as c:
    rng = np.random.default_rng(31)
    for steps in (5, 15, 30):
        sets, log_l2 = sparse_examples(rng), rng.uniform(-3, 1, size=8)
        c.close(
            f"{steps} steps",
            validation_error(log_l2, *sets, 0.1, steps),
            closed_form(log_l2, *sets, 0.1, steps)[0],
            hint="What is the gradient of ½ λ θ²? Does F hold a penalty? Does training "
            "see training examples only?",
        )

# %% check="penalty" part="gradient" points=1
with check("Its gradient with respect to log λ") as c:
    rng = np.random.default_rng(32)
    sets, log_l2 = sparse_examples(rng), rng.uniform(-3, 1, size=8)
    c.close(
        "gradient",
        grad(validation_error)(log_l2, *sets, 0.1, 12),
        closed_form(log_l2, *sets, 0.1, 12)[1],
        hint="Is everything from log λ to the error traced, through all of the steps?",
    )

# %% check="penalty" part="tuned" points=2 tags=["rtol=1e-4"]
with check("Ten rounds; features 0, 2, 4 and 6 matter") as c:
    rng = np.random.default_rng(43)
    sets, start = sparse_examples(rng), rng.uniform(-1.2, -0.8, size=8)
    got, errors = tune_l2(start.copy(), *sets, 0.1, 20, 1.0, 10)
    want = closed_form_descent(start, *sets, 0.1, 20, 1.0, 10)
    if c.close(
        "log λ",
        got,
        want,
        rtol=1e-5,
        hint="Does every round start training from 0? Is the step taken in log λ, "
        "downhill, with the gradient of the validation error?",
    ):
        c.show("λ, useful features", np.exp(got[::2]))
        c.show("λ, useless features", np.exp(got[1::2]))
    ends = [closed_form(x, *sets, 0.1, 20)[0] for x in (start, want)]
    c.equal(
        "number of errors", len(errors), 11, hint="One before each round, one after."
    )
    c.close("first and last error", [errors[0], errors[-1]], ends, rtol=1e-5)

# %% check="penalty" part="hidden" points=1 tags=["rtol=1e-4"]
# BEGIN HIDDEN TESTS
with check(
    "Five features, 25 steps, six rounds with β = 0.7; then three with β = 1.5"
) as c:
    rng = np.random.default_rng(34)
    for outer_rate, rounds in ((0.7, 6), (1.5, 3)):
        sets = sparse_examples(rng, (9, 25), (1, 2), 5)
        start = rng.uniform(-2, 0, size=5)
        got, errors = tune_l2(start.copy(), *sets, 0.12, 25, outer_rate, rounds)
        want = closed_form_descent(start, *sets, 0.12, 25, outer_rate, rounds)
        c.close("log λ", got, want, rtol=1e-5)
        c.close(
            "last error", errors[-1], closed_form(want, *sets, 0.12, 25)[0], rtol=1e-5
        )
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The useless features end with larger penalties than the useful ones, though nobody said which is
# which: 40 validation examples did. With thousands of hyperparameters and few validation examples
# you would overfit *those*, so keep a third set for the last word.
#
# In $\log\lambda$ a step multiplies $\lambda$. It cannot turn negative, and it moves as easily from
# 0.001 to 0.002 as from 1 to 2. A descent on $\lambda$ itself is a different descent, by a factor of
# $\lambda$ in each gradient.


# %% wrong="penalty" why="penalises by λθ² where (3) has ½λθ²" says="What is the gradient of ½ λ θ²"
def validation_error(log_l2, training, validation, rate, steps):
    l2, theta = np.exp(log_l2), np.zeros(len(log_l2))
    gradient = grad(lambda w: squared_error(w, *training) + np.sum(l2 * w**2))
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
    return squared_error(theta, *validation)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors = []
    for _ in range(rounds + 1):
        error, gradient = value_and_grad(validation_error)(
            log_l2, training, validation, rate, steps
        )
        errors.append(error)
        if len(errors) <= rounds:
            log_l2 = log_l2 - outer_rate * gradient
    return log_l2, errors


# %% wrong="penalty" why="adds the penalty to the validation error too" says="Does F hold a penalty"
def validation_error(log_l2, training, validation, rate, steps):
    theta = np.zeros(len(log_l2))

    def penalised(theta, X, y):
        return squared_error(theta, X, y) + 0.5 * np.sum(np.exp(log_l2) * theta**2)

    for _ in range(steps):
        theta = theta - rate * grad(penalised)(theta, *training)
    return penalised(theta, *validation)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors = []
    for _ in range(rounds):
        error, gradient = value_and_grad(validation_error)(
            log_l2, training, validation, rate, steps
        )
        log_l2 = log_l2 - outer_rate * gradient
        errors.append(error)
    errors.append(validation_error(log_l2, training, validation, rate, steps))
    return log_l2, errors


# %% wrong="penalty" why="differentiates the last step only" says="through all of the steps"
def validation_error(log_l2, training, validation, rate, steps):
    l2, theta = np.exp(log_l2), np.zeros(len(log_l2))
    gradient = grad(lambda w: squared_error(w, *training) + 0.5 * np.sum(l2 * w**2))
    for _ in range(steps):
        theta = unbox(theta)
        theta = theta - rate * gradient(theta)
    return squared_error(theta, *validation)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors = []
    for _ in range(rounds):
        error, gradient = value_and_grad(validation_error)(
            log_l2, training, validation, rate, steps
        )
        log_l2 = log_l2 - outer_rate * gradient
        errors.append(error)
    errors.append(validation_error(log_l2, training, validation, rate, steps))
    return log_l2, errors


# %% wrong="penalty" why="descends on λ and takes the logarithm of the result" says="Is the step taken in log λ"
def validation_error(log_l2, training, validation, rate, steps):
    l2, theta = np.exp(log_l2), np.zeros(len(log_l2))
    gradient = grad(lambda w: squared_error(w, *training) + 0.5 * np.sum(l2 * w**2))
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
    return squared_error(theta, *validation)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors = []
    for _ in range(rounds):
        error, gradient = value_and_grad(
            lambda l2: validation_error(np.log(l2), training, validation, rate, steps)
        )(np.exp(log_l2))
        log_l2 = np.log(np.maximum(np.exp(log_l2) - outer_rate * gradient, 1e-6))
        errors.append(error)
    errors.append(validation_error(log_l2, training, validation, rate, steps))
    return log_l2, errors


# %% wrong="penalty" why="goes on training where the round before stopped" says="Does every round start training from 0"
def validation_error(log_l2, training, validation, rate, steps, theta=0.0):
    return squared_error(fit(log_l2, training, rate, steps, theta), *validation)


def fit(log_l2, training, rate, steps, theta):
    l2, theta = np.exp(log_l2), theta + np.zeros(len(log_l2))
    gradient = grad(lambda w: squared_error(w, *training) + 0.5 * np.sum(l2 * w**2))
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
    return theta


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors, theta = [], 0.0
    for _ in range(rounds + 1):
        error, gradient = value_and_grad(validation_error)(
            log_l2, training, validation, rate, steps, theta
        )
        theta = fit(log_l2, training, rate, steps, theta)
        errors.append(error)
        if len(errors) <= rounds:
            log_l2 = log_l2 - outer_rate * gradient
    return log_l2, errors


# %% wrong="penalty" why="tunes on the training error, which every penalty only makes worse" says="with the gradient of the validation error"
def validation_error(log_l2, training, validation, rate, steps):
    l2, theta = np.exp(log_l2), np.zeros(len(log_l2))
    gradient = grad(lambda w: squared_error(w, *training) + 0.5 * np.sum(l2 * w**2))
    for _ in range(steps):
        theta = theta - rate * gradient(theta)
    return squared_error(theta, *validation)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    errors = [validation_error(log_l2, training, validation, rate, steps)]
    for _ in range(rounds):
        gradient = grad(validation_error)(log_l2, training, training, rate, steps)
        log_l2 = log_l2 - outer_rate * gradient
        errors.append(validation_error(log_l2, training, validation, rate, steps))
    return log_l2, errors


# %% right="penalty" why="weight decay: the penalty's gradient written by hand, one run more than needed"
def validation_error(log_l2, training, validation, rate, steps):
    (X, y), theta = training, np.zeros(len(log_l2))
    for _ in range(steps):
        pull = 2 * X.T @ (X @ theta - y) / len(y)
        theta = (1 - rate * np.exp(log_l2)) * theta - rate * pull
    return np.mean((validation[1] - validation[0] @ theta) ** 2)


def tune_l2(log_l2, training, validation, rate, steps, outer_rate, rounds):
    fixed = training, validation, rate, steps
    path = [log_l2]
    for _ in range(rounds):
        path.append(path[-1] - outer_rate * grad(validation_error)(path[-1], *fixed))
    return path[-1], [validation_error(x, *fixed) for x in path]


# %% [markdown]
# ## Question 4 · A run that goes backwards
# To walk back through a run you need its states in reverse order. Storing them all costs memory:
# a network of a million weights and ten thousand steps would fill 160 gigabytes. Can you compute
# them instead, from the last one?
#
# On paper, yes: solve (1) for $\theta_t$ and $v_t$. In floating point, no. A product $\gamma v$ with
# $\gamma < 1$ squeezes numbers together, so it forgets some of their last digits, and division by
# $\gamma$ blows the forgotten digits up. The next cell goes 40 steps forward and back,
# and then 80, with $\gamma = 0.3$. Each step pulls towards another target, as another batch of
# examples would.


# %%
def forward_and_back(theta, targets, rate, momentum):
    v = np.zeros(len(theta))
    for target in targets:
        v = momentum * v - (1 - momentum) * (theta - target)
        theta = theta + rate * v
    for target in reversed(targets):
        theta = theta - rate * v
        v = (v + (1 - momentum) * (theta - target)) / momentum
    return theta


start = np.array([1.25, -0.5])
for steps in (40, 80):
    targets = np.random.default_rng(40).normal(size=(steps, 2))
    theta = forward_and_back(start, targets, 1.0, 0.3)
    near = np.allclose(theta, start, atol=1)
    print(f"{steps} steps forward and back: within 1 of the start: {near}")

# %% [markdown]
# ### 4a · Keep what is lost
# ★★ · 20 minutes · 3 points
#
# Use integers. The cell below holds numbers in units of $2^{-32}$, and writes the momentum as a
# fraction $\gamma = n / d$. Adding an integer can be undone exactly. The product by $n / d$ can be
# undone if you keep the remainder that the division drops: `shrink` appends it to a list, and
# `grow` takes it from there.
#
# Write a step of (1) in these integers, and its exact inverse. Between `to_float` and `to_fixed` you
# may compute with floats as you like:
#
# $$\begin{aligned} v_{t+1} &= \mathrm{shrink}(v_t) - \mathrm{fixed}\bigl((1 - \tfrac nd) \, \nabla f(\theta_t)\bigr) \\
# \theta_{t+1} &= \theta_t + \mathrm{fixed}(\alpha \, v_{t+1}) \end{aligned} \tag{5}$$
#
# <details><summary>Hint 1</summary>
#
# `to_fixed` rounds. That does no harm if `unstep` adds *the same* rounded number that `step` has
# subtracted. From what was it computed, and do you have that again at this moment?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The last thing done is the first to undo: first $\theta$, by the velocity *after* the step. Then
# you stand at $\theta_t$ and can ask for the gradient there.
#
# </details>

# %%
SCALE = 2**32


def to_fixed(x):
    """Floats as integers in units of 1 / SCALE."""
    return np.rint(x * SCALE).astype(np.int64)


def to_float(c):
    return c / SCALE


def shrink(c, n, d, kept):
    """c · n / d in integers; what is lost is appended to the list `kept`."""
    kept.append(c % d)
    return c // d * n


def grow(c, n, d, kept):
    """Undo `shrink`, exactly; takes the last remainder off `kept`."""
    return c // n * d + kept.pop()


# %% answer="reversible"
def step(theta, v, kept, gradient, rate, n, d):
    """One step of (5) in integers.

    Args:
        theta, v: (D,) integers, in units of 1 / SCALE.
        kept: list of remainders; grows by one entry.
        gradient: a function of floats; gradient of the loss at (D,) floats.
        rate: α, a float.
        n, d: integers, γ = n / d.

    Returns:
        (theta, v) after the step, two new integer arrays.
    """
    # BEGIN SOLUTION
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v
    # END SOLUTION


def unstep(theta, v, kept, gradient, rate, n, d):
    """The inverse of `step`: the same arguments, with theta and v from after the step.

    Returns:
        (theta, v) before the step, the same integers; `kept` is shorter by one entry.
    """
    # BEGIN SOLUTION
    theta = theta - to_fixed(rate * to_float(v))
    v = v + to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta, grow(v, n, d, kept)
    # END SOLUTION


# %%
def valley(rng, dim):
    """The gradient of a loss that is no bowl, without matrix products."""
    a, b = rng.uniform(0.5, 2, size=dim), rng.normal(size=dim)
    return lambda theta: a * np.tanh(a * theta - b) + 0.1 * np.roll(theta, 1)


def in_floats(theta, v, gradient, rate, n, d, steps):
    for _ in range(steps):
        v = n / d * v - (1 - n / d) * gradient(theta)
        theta = theta + rate * v
    return theta


def there(theta, v, gradient, rate, n, d, steps):
    kept = []
    for _ in range(steps):
        theta, v = step(theta, v, kept, gradient, rate, n, d)
    return theta, v, kept


# %% check="reversible" part="forward" points=1 tags=["rtol=1e-3"]
with check("60 steps forward, beside a run in floats; γ = 3/5 and 9/10") as c:
    rng = np.random.default_rng(41)
    for n, d in ((3, 5), (9, 10)):
        gradient, start = valley(rng, 4), rng.normal(size=(2, 4))
        theta, v, kept = there(*to_fixed(start), gradient, 0.3, n, d, 60)
        want = in_floats(*start, gradient, 0.3, n, d, 60)
        c.dtype("theta", theta, "integer")
        hint = (
            "Is this (1)? Where are integers in units of 1 / SCALE, and where floats?"
        )
        c.close("theta", to_float(theta), want, rtol=1e-4, atol=1e-6, hint=hint)
        c.equal("remainders kept", np.shape(kept), (60, 4), hint="What does shrink do?")

# %% check="reversible" points=1 tags=["rtol=1e-3"]
with check("80 steps forward and 80 back, to the last bit; γ = 3/5 and 9/10") as c:
    rng = np.random.default_rng(42)
    for n, d in ((3, 5), (9, 10)):
        gradient, start = valley(rng, 4), to_fixed(rng.normal(size=(2, 4)))
        theta, v, kept = there(*start.copy(), gradient, 0.3, n, d, 80)
        want = in_floats(*to_float(start), gradient, 0.3, n, d, 80)
        hint = "First make the run forward right: see the check above."
        c.close("theta after 80 steps", to_float(theta), want, rtol=1e-4, hint=hint)
        for _ in range(80):
            theta, v = unstep(theta, v, kept, gradient, 0.3, n, d)
        hint = (
            "Undo the last thing first. At which theta did `step` take its gradient? "
            "Is each rounding undone by the same rounding, and each remainder used?"
        )
        c.equal("theta, exactly", theta, start[0], hint=hint)
        c.equal("v, exactly", v, start[1], hint=hint)
        c.equal(
            "remainders left over", len(kept), 0, hint="Who takes them off the list?"
        )

# %% check="reversible" part="hidden" points=1 tags=["rtol=1e-3"]
# BEGIN HIDDEN TESTS
with check("γ = 13/16, seven weights, 200 steps there and 120 back") as c:
    rng = np.random.default_rng(43)
    gradient, start = valley(rng, 7), to_fixed(rng.normal(size=(2, 7)))
    middle = there(*start, gradient, 0.5, 13, 16, 80)
    theta, v, kept = there(*start, gradient, 0.5, 13, 16, 200)
    want = in_floats(*to_float(start), gradient, 0.5, 13, 16, 200)
    c.close("theta after 200 steps", to_float(theta), want, rtol=1e-4)
    for _ in range(120):
        theta, v = unstep(theta, v, kept, gradient, 0.5, 13, 16)
    c.equal("theta, exactly", theta - middle[0], np.zeros(7, dtype=int))
    c.equal("v, exactly", v - middle[1], np.zeros(7, dtype=int))
    c.equal("remainders left", len(kept), 80)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Rounding is harmless because it is repeated. `unstep` computes the same float expression from the
# same integers, so it gets the same rounded number, and integer addition has an exact inverse. Only
# one operation throws something away: the division by $d$. Its remainder is all that must be kept.
#
# `c % d` and `c // d` belong together for negative numbers too: Python rounds the quotient down, so
# the remainder is never negative.


# %% wrong="reversible" why="undoes in the order of the step: the velocity first" says="Undo the last thing first"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v


def unstep(theta, v, kept, gradient, rate, n, d):
    v = v + to_fixed((1 - n / d) * gradient(to_float(theta)))
    v = grow(v, n, d, kept)
    return theta - to_fixed(rate * to_float(v)), v


# %% wrong="reversible" why="takes the gradient at the weights after the step" says="At which theta did"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v


def unstep(theta, v, kept, gradient, rate, n, d):
    g = to_fixed((1 - n / d) * gradient(to_float(theta)))
    theta = theta - to_fixed(rate * to_float(v))
    return theta, grow(v + g, n, d, kept)


# %% wrong="reversible" why="divides in floats and rounds: the remainders stay unused" says="each remainder used"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v


def unstep(theta, v, kept, gradient, rate, n, d):
    theta = theta - to_fixed(rate * to_float(v))
    v = v + to_fixed((1 - n / d) * gradient(to_float(theta)))
    kept.pop()
    return theta, to_fixed(to_float(v) * d / n)


# %% wrong="reversible" why="rounds to the nearest on the way there, down on the way back" says="undone by the same rounding"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v


def unstep(theta, v, kept, gradient, rate, n, d):
    theta = theta - np.floor(rate * v).astype(int)
    v = v + np.floor((1 - n / d) * gradient(to_float(theta)) * SCALE).astype(int)
    return theta, grow(v, n, d, kept)


# %% wrong="reversible" why="forgets that the velocity is counted in units too" says="Where are integers in units"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - np.rint((1 - n / d) * gradient(to_float(theta))).astype(
        int
    )
    return theta + np.rint(rate * v).astype(int), v


def unstep(theta, v, kept, gradient, rate, n, d):
    theta = theta - np.rint(rate * v).astype(int)
    v = v + np.rint((1 - n / d) * gradient(to_float(theta))).astype(int)
    return theta, grow(v, n, d, kept)


# %% wrong="reversible" why="stops at the velocity: it is set to 0, not recovered" says="v, exactly"
def step(theta, v, kept, gradient, rate, n, d):
    v = shrink(v, n, d, kept) - to_fixed((1 - n / d) * gradient(to_float(theta)))
    return theta + to_fixed(rate * to_float(v)), v


def unstep(theta, v, kept, gradient, rate, n, d):
    theta = theta - to_fixed(rate * to_float(v))
    v = v + to_fixed((1 - n / d) * gradient(to_float(theta)))
    v = grow(v, n, d, kept)
    return theta, v if kept else np.zeros_like(v)


# %% right="reversible" why="with increments as integers of their own, and (d - n) / d for 1 - γ"
def pull(theta, gradient, n, d):
    return to_fixed((d - n) / d * gradient(theta / SCALE))


def step(theta, v, kept, gradient, rate, n, d):
    new = shrink(v, n, d, kept)
    new = new - pull(theta, gradient, n, d)
    return theta + np.rint(rate * new).astype(np.int64), new


def unstep(theta, v, kept, gradient, rate, n, d):
    before = theta - np.rint(rate * v).astype(np.int64)
    return before, grow(v + pull(before, gradient, n, d), n, d, kept)


# %% [markdown]
# ### 4b · Keep only what is lost
# ★★ · 25 minutes · 3 points
#
# The list of 4a keeps $\log_2 d$ bits for each weight and step. But a product by $\tfrac9{10}$ loses
# much less: it maps ten integers to nine, so $\log_2 \tfrac{10}9 \approx 0.15$ bits. The waste is
# in `c // d * n`. It is a multiple of $n$, so there is **room** in it for a number from 0 to $n - 1$.
#
# So keep all the lost digits of a weight in one large integer, the **buffer** $i$. Dividing $c$ by
# $d$ yields a digit in base $d$, which goes into the buffer. Multiplying by $n$ makes room for a
# digit in base $n$, which comes out of the buffer. The product maps $(c, i)$ to $(c', i')$ with
# (Maclaurin et al. 2015, algorithm 3)
#
# $$i' \cdot n + (c' \bmod n) = i \cdot d + (c \bmod d), \qquad
# \lfloor c' / n \rfloor = \lfloor c / d \rfloor \tag{6}$$
#
# These equations don't change if you exchange $(c, i, d)$ and $(c', i', n)$. So the inverse of your
# function for $n / d$ is your function for $d / n$. The arrays hold Python's own integers
# (`dtype=object`), which grow as long as they must.
#
# <details><summary>Hint 1</summary>
#
# Read the first equation from right to left: what pushes a digit of base $d$ onto the buffer? And
# from that one number, how do you get $i'$ and the digit $c' \bmod n$? Decimal digits do the same:
# $123 \cdot 10 + 4 = 1234$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# You know $\lfloor c' / n \rfloor$ and $c' \bmod n$. What is $c'$?
#
# </details>


# %% answer="buffer"
def multiply_exactly(c, n, d, buffer):
    """c · n / d in integers, with a buffer that makes it reversible.

    Args:
        c: (D,) Python integers, of any sign.
        n, d: positive integers.
        buffer: (D,) Python integers, not negative.

    Returns:
        (c', buffer') as in (6), two new (D,) arrays of Python integers.

    Example: c [27], n 9, d 10, buffer [0] -> c' [25], buffer' [0];
        then c [25], n 10, d 9, buffer [0] -> [27], [0]
    """
    # BEGIN SOLUTION
    buffer = buffer * d + c % d
    return c // d * n + buffer % n, buffer // n
    # END SOLUTION


# %%
def integers(values):
    """An array of Python's own integers."""
    return np.array([int(value) for value in values], dtype=object)


def back_and_forth(c, fractions, added):
    """Multiply by each fraction and add, then undo all of it; also the bits on the way."""
    buffer = integers([0] * len(c))
    for (n, d), more in zip(fractions, added, strict=True):
        c, buffer = multiply_exactly(c, n, d, buffer)
        c = c + more
    bits = sum(int(i).bit_length() for i in buffer)
    for (n, d), more in zip(fractions[::-1], added[::-1], strict=True):
        c, buffer = multiply_exactly(c - more, d, n, buffer)
    return c, buffer, bits


# %% check="buffer" points=1
with check("Six numbers times 9/10, then what comes out times 4/3") as c:
    numbers = integers([17, -23, 104_729, 0, -1, -60_001])
    buffer = integers([0, 0, 5, 71, 2, 998])
    for n, d in ((9, 10), (4, 3)):
        new, new_buffer = multiply_exactly(numbers, n, d, buffer)
        c.show("c'", list(new))
        c.equal(
            "i' n + (c' mod n)",
            [int(i) * n + int(x) % n for i, x in zip(new_buffer, new, strict=True)],
            [int(i) * d + int(x) % d for i, x in zip(buffer, numbers, strict=True)],
            hint="The first equation: what must go into the buffer, what must come out?",
        )
        c.equal(
            "c' // n",
            [int(x) // n for x in new],
            [int(x) // d for x in numbers],
            hint="The second equation. Look at negative numbers: // rounds down.",
        )
        numbers, buffer = integers(new), integers(new_buffer)

# %% check="buffer" part="back" points=1
with check(
    "600 products by 9/10, 3/5 or 19/20, with an addition after each, and back"
) as c:
    rng = np.random.default_rng(44)
    fractions = [[(9, 10), (3, 5), (19, 20)][k] for k in rng.integers(3, size=600)]
    added = [integers(row) for row in rng.integers(-(10**9), 10**9, size=(600, 5))]
    numbers = integers(rng.integers(-(10**12), 10**12, size=5))
    got, buffer, bits = back_and_forth(numbers, fractions, added)
    c.equal(
        "the numbers, exactly",
        [str(x) for x in got],
        [str(x) for x in numbers],
        hint="Does any digit get lost, or is a buffer of 64 bits too short?",
    )
    c.equal("the buffers, empty again", [str(i) for i in buffer], ["0"] * 5)
    c.close(
        "bits for each product and number",
        bits / 3000,
        np.mean([np.log2(d / n) for n, d in fractions]),
        rtol=0.03,
        hint="If there are too many: does a digit come out for each that goes in?",
    )

# %% check="buffer" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("900 products by 7/8, 31/32, 11/10 or 2/3") as c:
    rng = np.random.default_rng(45)
    kinds = [(7, 8), (31, 32), (11, 10), (2, 3)]
    fractions = [kinds[k] for k in rng.integers(4, size=900)]
    added = [integers(row) for row in rng.integers(-(10**6), 10**6, size=(900, 3))]
    numbers = integers(rng.integers(-(10**9), 10**9, size=3))
    got, buffer, bits = back_and_forth(numbers, fractions, added)
    c.equal("the numbers", [str(x) for x in got], [str(x) for x in numbers])
    c.equal("the buffers", [str(i) for i in buffer], ["0"] * 3)
    c.show("bits", bits)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Pushing a digit is multiply and add, popping is `%` and `//`: a number written in a base that
# changes with every digit. The buffer grows by a factor of $d / n$ with each step, so by
# $\log_2 (d / n)$ bits. That is what a product by $n / d$ destroys, no more and no less. With $\gamma
# = 0.9$ and 64-bit floats, storing $\theta$ and $v$ would take about 840 times as much.
#
# Real momentum schedules move towards $\gamma = 1$, where nothing is lost. And $\gamma = 0$, plain
# gradient descent, forgets the whole velocity at each step: there the trick has nothing to offer.


# %% wrong="buffer" why="drops the remainder" says="what must go into the buffer"
def multiply_exactly(c, n, d, buffer):
    return c // d * n + buffer % n, buffer // n


# %% wrong="buffer" why="keeps the remainders, but leaves the room empty" says="does a digit come out"
def multiply_exactly(c, n, d, buffer):
    return c // d * n, buffer * d + c % d


# %% wrong="buffer" why="rounds towards zero: negative numbers leave negative digits" says="Look at negative numbers"
def multiply_exactly(c, n, d, buffer):
    quotient = integers(int(x / d) for x in c)
    buffer = buffer * d + (c - quotient * d)
    return quotient * n + buffer % n, buffer // n


# %% wrong="buffer" why="a buffer of 64 bits overflows after some hundred steps" says="is a buffer of 64 bits too short"
def multiply_exactly(c, n, d, buffer):
    with np.errstate(over="ignore"):
        mask = 2**63 - 1
        buffer = (buffer * d + c % d) & mask
    return c // d * n + buffer % n, buffer // n


# %% wrong="buffer" why="pops in base d and pushes in base n" says="what must go into the buffer"
def multiply_exactly(c, n, d, buffer):
    buffer = buffer * n + c % d
    return c // d * n + buffer % d, buffer // d


# %% right="buffer" why="number by number, with divmod"
def multiply_exactly(c, n, d, buffer):
    pairs = []
    for x, i in zip(c, buffer, strict=True):
        quotient, lost = divmod(x, d)
        rest, found = divmod(i * d + lost, n)
        pairs.append((quotient * n + found, rest))
    return tuple(np.array(column, dtype=object) for column in zip(*pairs, strict=True))


# %% [markdown]
# ## Question 5 · An optimiser that is a network
# ### 5a · One step, coordinate by coordinate
# ★★ · 25 minutes · 3 points
#
# A learned optimiser for millions of weights must not have millions of inputs. So each weight gets
# a copy of one small recurrent network, all with the same parameters $\varphi$ but each with a
# hidden state $h$ of its own (Andrychowicz et al. 2016, section 2.1). The lecture took an LSTM.
# Take the smaller **GRU** here (Cho et al. 2014, eq. 5–8, in torch's variant). For one coordinate,
# with the features $x$ of its gradient:
#
# $$\begin{aligned}
# r &= \sigma(W_r^\top x + b_r + U_r^\top h), \qquad
# z = \sigma(W_z^\top x + b_z + U_z^\top h) \\
# u &= \tanh\bigl(W_u^\top x + b_u + r \odot (U_u^\top h + c)\bigr) \\
# h' &= (1 - z) \odot u + z \odot h, \qquad \text{step} = w^\top h'
# \end{aligned} \tag{7}$$
#
# `phi["x"]` holds $W_r, W_z, W_u$ side by side, in this order; `phi["h"]` the same of $U$;
# `phi["b"]` the same of $b$; `phi["c"]` is $c$ and `phi["out"]` is $w$. `features` is given: the
# logarithm and the sign of each gradient (Andrychowicz et al. 2016, appendix A).
#
# <details><summary>Hint 1</summary>
#
# No loop over coordinates: they are rows. `features(g) @ phi["x"]` has the shape (D, 3H). `np.split`
# along axis 1 cuts it in three.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $r$ multiplies $U_u^\top h + c$ only, so keep the products with $x$ and with $h$ apart until you
# know $r$. The step comes from the new state.
#
# </details>

# %%
p = 10.0


def features(g):
    """(D,) gradients -> (D, 2): log and sign, or (-1, scaled) where |g| < e^-p."""
    large = np.abs(g) >= np.exp(-p)
    size = np.where(large, np.log(np.where(large, np.abs(g), 1.0)) / p, -1.0)
    return np.stack([size, np.where(large, np.sign(g), np.exp(p) * g)], axis=1)


# %% answer="gru"
def learned_step(phi, g, h):
    """One step of the learned optimiser, for all coordinates.

    Args:
        phi: {"x": (2, 3H), "h": (H, 3H), "b": (3H,), "c": (H,), "out": (H,)}.
        g: (D,) floats, the gradient.
        h: (D, H) floats, a hidden state for each coordinate.

    Returns:
        step: (D,), what is added to the weights.
        h: (D, H), the new hidden states.

    Example: if all of phi is 0, then r = z = 1/2, u = 0: the step is 0, and h is halved
    """
    # BEGIN SOLUTION
    from_x = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    r, z = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    h = (1 - z) * u + z * h
    return h @ phi["out"], h
    # END SOLUTION


# %%
def random_phi(rng, H):
    shapes = {"x": (2, 3 * H), "h": (H, 3 * H), "b": (3 * H,), "c": (H,), "out": (H,)}
    return {key: rng.normal(size=shape) for key, shape in shapes.items()}


def torch_gru(phi, g, h):
    """(step, new state) by torch.nn.GRUCell, for gradients that are not tiny."""
    H = len(phi["out"])
    cell = torch.nn.GRUCell(2, H, dtype=torch.float64)
    weights = phi["x"].T, phi["h"].T, phi["b"], np.r_[np.zeros(2 * H), phi["c"]]
    for parameter, value in zip(cell.parameters(), weights, strict=True):
        parameter.data = torch.tensor(value)
    x = torch.stack([g.abs().log() / 10, g.sign()], dim=1)
    h = cell(x, h)
    return h @ torch.tensor(phi["out"]), h


# %% check="gru" points=1
with check(
    "Seven coordinates, H = 4, three steps in a row, beside torch.nn.GRUCell"
) as c:
    rng = np.random.default_rng(51)
    phi, h = random_phi(rng, 4), rng.normal(size=(7, 4))
    torch_h = torch.tensor(h)
    for t in range(1, 4):
        g = rng.normal(size=7) * np.exp(rng.uniform(-7, 3, size=7))
        step_size, h = learned_step(phi, g, h)
        want, torch_h = torch_gru(phi, torch.tensor(g), torch_h)
        c.close(
            f"hidden states after step {t}",
            h,
            torch_h.detach().numpy(),
            rtol=1e-6,
            hint="Which share of the old state stays: z or 1 - z? What does r multiply? "
            "In which order do r, z and u stand, and what is fed in?",
        )
        c.close(
            f"step {t}",
            step_size,
            want.detach().numpy(),
            rtol=1e-6,
            atol=1e-8,
            hint="From which state does the step come?",
        )

# %% check="gru" part="coordinates" points=1
with check("Five coordinates: each one for itself") as c:
    rng = np.random.default_rng(52)
    phi, h = random_phi(rng, 3), rng.normal(size=(5, 3))
    g, order = rng.normal(size=5), np.array([2, 4, 0, 1, 3])
    here, there_h = learned_step(phi, g, h)
    c.close(
        "steps, for coordinates in another order",
        learned_step(phi, g[order], h[order])[0],
        here[order],
        hint="Does anything depend on the place of a coordinate?",
    )
    J = jacobian(lambda g: learned_step(phi, g, h)[0])(g)
    want = torch.autograd.functional.jacobian(
        lambda g: torch_gru(phi, g, torch.tensor(h))[0], torch.tensor(g)
    ).numpy()
    hint = "Does one coordinate's step depend on another's gradient? It must not."
    c.close("∂ step_i / ∂ g_j for i ≠ j", J - np.diag(np.diag(J)), 0 * want, hint=hint)
    c.close("∂ step_i / ∂ g_i", np.diag(J), np.diag(want), hint=hint)

# %% check="gru" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("1 coordinate and 300 coordinates, H = 6") as c:
    rng = np.random.default_rng(53)
    phi = random_phi(rng, 6)
    for dim in (1, 300):
        g, h = rng.normal(size=dim), rng.normal(size=(dim, 6))
        step_size, new = learned_step(phi, g, h)
        want, want_h = torch_gru(phi, torch.tensor(g), torch.tensor(h))
        c.close("step", step_size, want.detach().numpy(), atol=1e-8)
        c.close("states", new, want_h.detach().numpy())
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Nothing in this code knows $D$. The rows of every array are coordinates, and no operation mixes
# rows: so the Jacobian is diagonal, shuffling coordinates shuffles steps, and an optimiser trained on
# ten weights runs on ten million. The price is the same property. It cannot see that two weights
# belong together, as a method with a matrix of curvatures can.


# %% wrong="gru" why="exchanges z and 1 - z" says="Which share of the old state stays"
def learned_step(phi, g, h):
    from_x = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    r, z = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    h = z * u + (1 - z) * h
    return h @ phi["out"], h


# %% wrong="gru" why="resets the state before the product, not after it" says="What does r multiply"
def learned_step(phi, g, h):
    W_r, W_z, W_u = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    U_r, U_z, U_u = np.split(phi["h"], 3, axis=1)
    r, z = sigma(W_r + h @ U_r), sigma(W_z + h @ U_z)
    u = np.tanh(W_u + (r * h) @ U_u + phi["c"])
    h = (1 - z) * u + z * h
    return h @ phi["out"], h


# %% wrong="gru" why="takes the step from the old state" says="From which state does the step come"
def learned_step(phi, g, h):
    from_x = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    r, z = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    return h @ phi["out"], (1 - z) * u + z * h


# %% wrong="gru" why="one hidden state for all coordinates: their mean" says="Which share of the old state stays"
def learned_step(phi, g, h):
    h = np.mean(h, axis=0, keepdims=True) + 0 * h
    from_x = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    r, z = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    h = (1 - z) * u + z * h
    return h @ phi["out"], h


# %% wrong="gru" why="divides by the length of the whole gradient: coordinates see each other" says="depend on another's gradient"
def learned_step(phi, g, h):
    scaled = g / np.sqrt(np.sum(g**2))
    from_x = np.split(features(scaled) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    r, z = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    h = (1 - z) * u + z * h
    return h @ phi["out"], h


# %% wrong="gru" why="reads the blocks in the order z, r, u" says="In which order do r, z and u stand"
def learned_step(phi, g, h):
    from_x = np.split(features(g) @ phi["x"] + phi["b"], 3, axis=1)
    from_h = np.split(h @ phi["h"], 3, axis=1)
    z, r = (sigma(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    u = np.tanh(from_x[2] + r * (from_h[2] + phi["c"]))
    h = (1 - z) * u + z * h
    return h @ phi["out"], h


# %% right="gru" why="slices of the parameters, one gate after the other"
def learned_step(phi, g, h):
    H, x = len(phi["out"]), features(g)
    blocks = [slice(k * H, (k + 1) * H) for k in range(3)]

    def parts(k):
        s = blocks[k]
        return x @ phi["x"][:, s] + phi["b"][s], h @ phi["h"][:, s]

    r, z = (1 / (1 + np.exp(-sum(parts(k)))) for k in (0, 1))
    new, old = parts(2)
    u = np.tanh(new + r * (old + phi["c"]))
    new_h = u + z * (h - u)
    return np.sum(new_h * phi["out"], axis=1), new_h


# %% [markdown]
# ### 5b · Its loss
# ★★ · 20 minutes · 3 points
#
# What is a good optimiser? One that leaves small losses on the way, averaged over steps and over
# tasks $f$ (Andrychowicz et al. 2016, eq. 3, with equal weights):
#
# $$\theta_{t+1} = \theta_t + g_t, \quad (g_t, s_{t+1}) = m\bigl(\nabla f(\theta_t), s_t; \varphi\bigr),
# \qquad \mathcal L(\varphi) = \frac1N \sum_f \frac1T \sum_{t=1}^{T} f(\theta_t) \tag{8}$$
#
# The optimiser arrives as a function `optimizer(phi, g, state)` that returns a step and a new state.
# Every task begins with a state of zeros, of the shape of its `theta`. Use the exact gradient: don't
# take the shortcut of treating $\nabla f(\theta_t)$ as a constant.
#
# <details><summary>Hint 1</summary>
#
# Two loops, over tasks and over steps. Which of $f(\theta_0), \ldots, f(\theta_T)$ does (8) hold?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Collect the losses in a list; `np.mean(np.stack(losses))` stays traced. All tasks take the same
# number of steps, so one mean over all of them is the mean of means.
#
# </details>


# %% answer="meta"
def meta_loss(phi, optimizer, tasks, steps):
    """The mean loss that an optimiser leaves behind.

    Args:
        phi: the optimiser's parameters, a dictionary of arrays.
        optimizer: a function; optimizer(phi, g, state) is (step, new state).
        tasks: list of (loss, theta): a function of (D,) weights, and their start.
        steps: T, the number of steps on each task.

    Returns:
        A number, (8); differentiable with respect to phi.
    """
    # BEGIN SOLUTION
    losses = []
    for loss, theta in tasks:
        state = np.zeros(theta.shape)
        for _ in range(steps):
            step_size, state = optimizer(phi, grad(loss)(theta), state)
            theta = theta + step_size
            losses.append(loss(theta))
    return np.mean(np.stack(losses))
    # END SOLUTION


# %%
def soft_sign(phi, g, v):
    """A small optimiser: the step is a squashed average of gradients."""
    v = sigma(phi["keep"]) * v + g
    return -np.exp(phi["log_rate"]) * np.tanh(v), v


def random_tasks(rng, count, dim):
    """Losses log cosh(Aθ - b) and starts, as (A, b, theta)."""
    return [
        (rng.normal(size=(5, dim)), rng.normal(size=5), rng.normal(size=dim))
        for _ in range(count)
    ]


def as_losses(tasks):
    def loss(A, b):
        return lambda theta: np.mean(np.log(np.cosh(A @ theta - b)))

    return [(loss(A, b), theta) for A, b, theta in tasks]


def torch_meta(phi, tasks, steps):
    """(8) for `soft_sign` and its gradient, by torch."""
    keep, log_rate = (
        torch.tensor(phi[k], requires_grad=True) for k in ("keep", "log_rate")
    )
    total = 0.0
    for task in tasks:
        A, b, w = (torch.tensor(a, requires_grad=True) for a in task)
        v = torch.zeros_like(w)
        for _ in range(steps):
            f = torch.cosh(A @ w - b).log().mean()
            v = keep.sigmoid() * v + torch.autograd.grad(f, w, create_graph=True)[0]
            w = w - log_rate.exp() * v.tanh()
            total = total + torch.cosh(A @ w - b).log().mean() / (steps * len(tasks))
    total.backward()
    return total.item(), {"keep": keep.grad.numpy(), "log_rate": log_rate.grad.numpy()}


# %% check="meta" part="value" points=1
with check("Three tasks of four weights, 1, 4 and 8 steps") as c:
    rng = np.random.default_rng(54)
    for steps in (1, 4, 8):
        phi = {"keep": rng.normal(size=4), "log_rate": rng.normal(size=4) - 1}
        tasks = random_tasks(rng, 3, 4)
        c.close(
            f"{steps} steps",
            meta_loss(phi, soft_sign, as_losses(tasks), steps),
            torch_meta(phi, tasks, steps)[0],
            hint="A sum or a mean? Over which steps? With which state does a task begin?",
        )

# %% check="meta" points=1
with check("Its gradient: three tasks of four weights, 6 steps") as c:
    rng = np.random.default_rng(55)
    phi = {"keep": rng.normal(size=4), "log_rate": rng.normal(size=4) - 1}
    tasks = random_tasks(rng, 3, 4)
    got = grad(lambda phi: meta_loss(phi, soft_sign, as_losses(tasks), 6))(phi)
    want = torch_meta(phi, tasks, 6)[1]
    hint = (
        "If the value is right: does the gradient that the optimiser reads stay traced?"
    )
    c.close("with respect to keep", got["keep"], want["keep"], hint=hint)
    c.close("with respect to log_rate", got["log_rate"], want["log_rate"], hint=hint)

# %% check="meta" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Five tasks of six weights, 5 steps") as c:
    rng = np.random.default_rng(56)
    phi = {"keep": rng.normal(size=6), "log_rate": rng.normal(size=6) - 1}
    tasks = random_tasks(rng, 5, 6)
    value, got = value_and_grad(
        lambda phi: meta_loss(phi, soft_sign, as_losses(tasks), 5)
    )(phi)
    want, slopes = torch_meta(phi, tasks, 5)
    c.close("value", value, want)
    c.close("keep", got["keep"], slopes["keep"])
    c.close("log_rate", got["log_rate"], slopes["log_rate"])
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Why the sum over all steps, when only the end matters? With the last loss alone, the first step
# hears of its mistakes through all the steps after it, a long chain. The sum gives each step a loss
# of its own, next to it. And $f(\theta_0)$ is no merit of the optimiser.
#
# A mean, rather than a sum, has the same minimum. But its gradient does not grow with $T$, so a
# learning rate that suits 20 steps suits 40.


# %% wrong="meta" why="sums where (8) averages" says="A sum or a mean"
def meta_loss(phi, optimizer, tasks, steps):
    total = 0.0
    for loss, theta in tasks:
        state = np.zeros(theta.shape)
        for _ in range(steps):
            step_size, state = optimizer(phi, grad(loss)(theta), state)
            theta = theta + step_size
            total = total + loss(theta)
    return total


# %% wrong="meta" why="counts the final loss only" says="Over which steps"
def meta_loss(phi, optimizer, tasks, steps):
    losses = []
    for loss, theta in tasks:
        state = np.zeros(theta.shape)
        for _ in range(steps):
            step_size, state = optimizer(phi, grad(loss)(theta), state)
            theta = theta + step_size
        losses.append(loss(theta))
    return np.mean(np.stack(losses))


# %% wrong="meta" why="counts each loss before its step: the start counts, the end does not" says="Over which steps"
def meta_loss(phi, optimizer, tasks, steps):
    losses = []
    for loss, theta in tasks:
        state = np.zeros(theta.shape)
        for _ in range(steps):
            value, g = value_and_grad(loss)(theta)
            step_size, state = optimizer(phi, g, state)
            theta = theta + step_size
            losses.append(value)
    return np.mean(np.stack(losses))


# %% wrong="meta" why="carries the state from one task into the next" says="With which state does a task begin"
def meta_loss(phi, optimizer, tasks, steps):
    losses, state = [], np.zeros(tasks[0][1].shape)
    for loss, theta in tasks:
        for _ in range(steps):
            step_size, state = optimizer(phi, grad(loss)(theta), state)
            theta = theta + step_size
            losses.append(loss(theta))
    return np.mean(np.stack(losses))


# %% wrong="meta" why="takes the gradients that arrive for constants" says="stay traced"
def meta_loss(phi, optimizer, tasks, steps):
    losses = []
    for loss, theta in tasks:
        state = np.zeros(theta.shape)
        for _ in range(steps):
            step_size, state = optimizer(phi, grad(loss)(unbox(theta)), state)
            theta = theta + step_size
            losses.append(loss(theta))
    return np.mean(np.stack(losses))


# %% right="meta" why="all tasks side by side, step by step, with a running mean"
def meta_loss(phi, optimizer, tasks, steps):
    losses = [loss for loss, _ in tasks]
    thetas = [theta for _, theta in tasks]
    states = [0 * theta for theta in thetas]
    mean = 0.0
    for _ in range(steps):
        for k, loss in enumerate(losses):
            step_size, states[k] = optimizer(phi, grad(loss)(thetas[k]), states[k])
            thetas[k] = thetas[k] + step_size
            mean = mean + loss(thetas[k]) / (steps * len(tasks))
    return mean


# %% [markdown]
# ## Question 6 · Where the gradient becomes useless
# A hypergradient is exact, always. That does not make it useful. At large rates a run may become
# **chaotic**: a tiny change of the start, or of the rate, ends somewhere else entirely. Then the
# gradient at one rate says nothing about the rate next to it. Where does that begin? You need
# instruments that measure it.
#
# The patient is one tanh neuron with three weights, trained on twelve examples with an L2 penalty. Its
# loss has bounded gradients apart from the penalty, so that large rates don't diverge. They wander.
# Many runs go side by side, as rows of one array. The picture shows the final loss of one start after
# 25 steps against the learning rate: a flat line up to a rate of about 2.3, a jagged one beyond.


# %%
def neuron(rng, penalty=0.05):
    """The loss of one neuron, for each row of weights: (B, 3) -> (B,)."""
    X = rng.normal(size=(12, 3))
    y = np.sign(X @ rng.normal(size=3) + rng.normal(size=12))

    def loss(theta):
        error = np.tanh(theta @ X.T) - y
        return np.mean(error**2, axis=-1) + 0.5 * penalty * np.sum(theta**2, axis=-1)

    return loss


def rows_gradient(loss):
    """The gradient of each row's loss with respect to that row."""
    return grad(lambda theta: np.sum(loss(theta)))


def final_losses(loss, starts, steps):
    """The function from log rates (R, S) to final losses (R, S); column s is start s."""
    gradient = rows_gradient(loss)

    def result(log_rates):
        theta = starts + np.zeros((*log_rates.shape, 3))
        for _ in range(steps):
            rows = gradient(theta.reshape(-1, 3)).reshape(theta.shape)
            theta = theta - np.exp(log_rates)[..., None] * rows
        return loss(theta)

    return result


loss = neuron(np.random.default_rng(2))
curve = final_losses(loss, np.array([[0.3, -0.8, 0.5]]), 25)
fine = np.linspace(np.log(0.5), np.log(5), 600)[:, None]
fig, ax = plt.subplots(figsize=(7, 3))
ax.semilogx(np.exp(fine[:, 0]), curve(fine)[:, 0], linewidth=1)
ax.set(xlabel="learning rate", ylabel="loss after 25 steps")
ax.set_xticks([0.5, 1, 2, 3, 5], ["0.5", "1", "2", "3", "5"])
ax.minorticks_off()
plt.show()

# %% [markdown]
# ### 6a · How fast neighbours part
# ★★★ · 25 minutes · 2 points
#
# Start a second run at a tiny distance $\epsilon u_0$ from the first. For small $\epsilon$, the
# distance grows or shrinks as the derivative of (plain) gradient descent says:
#
# $$u_{t+1} = u_t - \alpha \nabla^2 f(\theta_t) \, u_t, \qquad
# \ell = \frac1T \log \frac{\lVert u_T \rVert}{\lVert u_0 \rVert} \tag{9}$$
#
# $\ell$ is the **Lyapunov exponent** (over $T$ steps). If it is negative, neighbours meet. If it is
# positive, they part by a factor $e^\ell$ at each step: that is chaos. Compute it for each row,
# with the rate of that row. Build no Hessian: you only need its product with a vector.
#
# <details><summary>Hint 1</summary>
#
# `hessian_vector_product(fun)(theta, u)`, for a function `fun` whose value is a number. For many
# rows, which number has a Hessian that treats each row by itself?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The Hessian in (9) is that of the point *before* the step. Or: (9) is the derivative of
# $\theta_T$ with respect to $\theta_0$ in the direction $u_0$, and `make_jvp` computes such things.
#
# </details>


# %% answer="exponents"
def exponents(loss, theta, rates, u, steps):
    """The Lyapunov exponent of gradient descent, for each row.

    Args:
        loss: a function from (B, D) weights to (B,) losses, row by row.
        theta: (B, D) floats, where the runs start.
        rates: (B,) floats, the rate of each row.
        u: (B, D) floats, the first directions, of any length but 0.
        steps: T.

    Returns:
        (B,) floats, as in (9).

    Example: loss ½ (3θ)², rate 0.1 -> each step multiplies u by 0.1, so log 0.1 = -2.303
    """
    # BEGIN SOLUTION
    rates, u_0 = rates[:, None], u

    def total(theta):
        return np.sum(loss(theta))

    for _ in range(steps):
        u = u - rates * hessian_vector_product(total)(theta, u)
        theta = theta - rates * grad(total)(theta)
    growth = np.linalg.norm(u, axis=1) / np.linalg.norm(u_0, axis=1)
    return np.log(growth) / steps
    # END SOLUTION


# %%
def torch_neuron(rng, penalty=0.05):
    """`neuron` of the same generator, in torch, for weights (..., 3)."""
    X = rng.normal(size=(12, 3))
    y = torch.tensor(np.sign(X @ rng.normal(size=3) + rng.normal(size=12)))

    def loss(w):
        error = torch.tanh(w @ torch.tensor(X).T) - y
        return (error**2).mean(-1) + 0.5 * penalty * (w**2).sum(-1)

    return loss


def torch_exponents(loss, theta, rates, u, steps):
    """(9) by torch: one derivative of the whole run, forward."""
    rate = torch.tensor(rates)[:, None]
    gradient = torch.func.grad(lambda w: loss(w).sum())

    def run(w):
        for _ in range(steps):
            w = w - rate * gradient(w)
        return w

    _, end = torch.func.jvp(run, (torch.tensor(theta),), (torch.tensor(u),))
    growth = end.norm(dim=1) / torch.tensor(u).norm(dim=1)
    return (growth.log() / steps).numpy()


# %% check="exponents" points=1 tags=["rtol=1e-3"]
with check("Six rates from 0.5 to 5, three starts each, 5 and 25 steps") as c:
    rng = np.random.default_rng(61)
    rates = np.repeat(np.geomspace(0.5, 5, 6), 3)
    theta, u = rng.normal(size=(2, 18, 3))
    for steps in (5, 25):
        got = exponents(neuron(np.random.default_rng(2)), theta, rates, u, steps)
        want = torch_exponents(
            torch_neuron(np.random.default_rng(2)), theta, rates, u, steps
        )
        if c.close(
            f"exponents over {steps} steps",
            got,
            want,
            rtol=1e-4,
            atol=1e-6,
            hint="Is it a mean over steps, and the logarithm of a ratio? Is the Hessian "
            "that of each step's own point, before the step, times the row's own rate?",
        ):
            c.show("mean for each rate", np.mean(got.reshape(6, 3), axis=1))

# %% check="exponents" part="hidden" points=1 tags=["rtol=1e-3"]
# BEGIN HIDDEN TESTS
with check(
    "Another neuron, rates from 1 to 6, 15 steps; and directions of another length"
) as c:
    rng = np.random.default_rng(62)
    rates = np.geomspace(1, 6, 10)
    theta, u = rng.normal(size=(2, 10, 3))
    got = exponents(neuron(np.random.default_rng(5)), theta, rates, 7 * u, 15)
    other = torch_neuron(np.random.default_rng(5))
    want = torch_exponents(other, theta, rates, u, 15)
    c.close("exponents", got, want, rtol=1e-4, atol=1e-6)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The sum over rows has a Hessian of blocks, one for each row, so one product treats all rows at
# once and each by itself. $u_t$ needs no storage: this is forward mode, and it would run along with a
# training of any length. For much longer runs, divide $u$ by its length at each step and add up the
# logarithms, before $e^{\ell T}$ overflows.


# %% wrong="exponents" why="the logarithm of the growth over the whole run, not for each step" says="Is it a mean over steps"
def exponents(loss, theta, rates, u, steps):
    rates, u_0 = rates[:, None], u
    for _ in range(steps):
        u = u - rates * hessian_vector_product(lambda w: np.sum(loss(w)))(theta, u)
        theta = theta - rates * rows_gradient(loss)(theta)
    return np.log(np.linalg.norm(u, axis=1) / np.linalg.norm(u_0, axis=1))


# %% wrong="exponents" why="takes the Hessian at the point after the step" says="before the step"
def exponents(loss, theta, rates, u, steps):
    rates, u_0 = rates[:, None], u
    for _ in range(steps):
        theta = theta - rates * rows_gradient(loss)(theta)
        u = u - rates * hessian_vector_product(lambda w: np.sum(loss(w)))(theta, u)
    growth = np.linalg.norm(u, axis=1) / np.linalg.norm(u_0, axis=1)
    return np.log(growth) / steps


# %% wrong="exponents" why="uses the curvature of the start for all steps" says="each step's own point"
def exponents(loss, theta, rates, u, steps):
    rates, u_0 = rates[:, None], u
    for _ in range(steps):
        u = u - rates * hessian_vector_product(lambda w: np.sum(loss(w)))(theta, u)
    growth = np.linalg.norm(u, axis=1) / np.linalg.norm(u_0, axis=1)
    return np.log(growth) / steps


# %% wrong="exponents" why="forgets that u itself stays: only the product with the Hessian is left" says="Is it a mean over steps"
def exponents(loss, theta, rates, u, steps):
    rates, u_0 = rates[:, None], u
    for _ in range(steps):
        u = -rates * hessian_vector_product(lambda w: np.sum(loss(w)))(theta, u)
        theta = theta - rates * rows_gradient(loss)(theta)
    growth = np.linalg.norm(u, axis=1) / np.linalg.norm(u_0, axis=1)
    return np.log(growth) / steps


# %% wrong="exponents" why="one length for all rows together" says="shape (), expected (18,)"
def exponents(loss, theta, rates, u, steps):
    rates, u_0 = rates[:, None], u
    for _ in range(steps):
        u = u - rates * hessian_vector_product(lambda w: np.sum(loss(w)))(theta, u)
        theta = theta - rates * rows_gradient(loss)(theta)
    return np.log(np.linalg.norm(u) / np.linalg.norm(u_0)) / steps


# %% right="exponents" why="as one derivative of the whole run, by make_jvp"
def exponents(loss, theta, rates, u, steps):
    def run(w):
        for _ in range(steps):
            w = w - rates[:, None] * rows_gradient(loss)(w)
        return w

    jvp, _ = make_jvp(run)(theta)
    squares = np.sum(jvp(u) ** 2, axis=1) / np.sum(u**2, axis=1)
    return np.log(squares) / (2 * steps)


# %% [markdown]
# ### 6b · The edge
# ★★★ · 25 minutes · 2 points
#
# The second instrument asks the gradient for its one service: to say which way is down. Move the log
# rate by $\pm \delta$, a small but real step. A hypergradient is **right** where
#
# $$\operatorname{sign} F'(\log\alpha) =
# \operatorname{sign}\bigl(F(\log\alpha + \delta) - F(\log\alpha - \delta)\bigr) \tag{10}$$
#
# Its **reliability** at a rate is the share of starts for which it is right. A coin is right half
# of the time. Call a rate bad if its reliability is below 0.75, and the **edge** the smallest rate
# from which on all rates of the grid are bad.
#
# <details><summary>Hint 1</summary>
#
# Each entry of the result of `final_loss` depends on its own entry of `log_rates` only. Which
# operator of the engine gives all of these derivatives at once?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A rate counts as the edge only if no good rate follows. Look for the last good one.
#
# </details>


# %% answer="edge"
def reliability(final_loss, log_rates, delta):
    """The share of starts, for each rate, whose hypergradient is right.

    Args:
        final_loss: a function from log rates (R, S) to final losses (R, S), entry by entry.
        log_rates: (R, S) floats; row r repeats one log rate for each of S starts.
        delta: δ of (10).

    Returns:
        (R,) floats from 0 to 1.
    """
    # BEGIN SOLUTION
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates - delta)
    return np.mean(np.sign(slope) == np.sign(change), axis=1)
    # END SOLUTION


def find_edge(rates, shares, threshold=0.75):
    """The smallest rate from which on all shares are below the threshold.

    Args:
        rates: (R,) floats, ascending.
        shares: (R,) floats, the reliability at each rate.
        threshold: a share below it is bad.

    Returns:
        One of the rates, or infinity if the last rate is good.

    Example: rates [1, 2, 3, 4, 5], shares [1, 0.6, 0.9, 0.5, 0.4] -> 4
    """
    # BEGIN SOLUTION
    good = np.flatnonzero(shares >= threshold)
    first = good[-1] + 1 if len(good) else 0
    return rates[first] if first < len(rates) else np.inf
    # END SOLUTION


# %% check="edge" points=1
with check("A loss whose slopes are known, and five curves with known edges") as c:
    rng = np.random.default_rng(63)
    waves, shift = rng.uniform(2, 60, size=40), rng.uniform(0, 6, size=40)
    steepness = np.array([0.1, 0.5, 1, 2, 4])[:, None]
    x = np.tile(rng.normal(size=(5, 1)), (1, 40))
    # cos(a + b) - cos(a - b) = -2 sin(a) sin(b): right where sin(b) > 0, b = frequency × δ
    frequency = steepness * waves
    got = reliability(lambda x: np.cos(frequency * x + shift), x, 0.05)
    c.close(
        "reliability for frequencies from low to high",
        got,
        np.mean(np.sin(frequency * 0.05) > 0, axis=1),
        hint="A share of starts for each rate: which axis is averaged? Signs of what, and "
        "are both sides of (10) there?",
    )
    rates = np.array([0.7, 1.1, 1.6, 2.9, 4.3])
    for shares, edge in (
        ([1, 0.9, 0.8, 0.6, 0.5], 2.9),
        ([1, 0.6, 0.9, 0.7, 0.5], 2.9),
        ([0.7, 0.5, 0.4, 0.6, 0.5], 0.7),
        ([1, 0.6, 0.5, 0.4, 0.9], np.inf),
        ([1, 0.9, 0.75, 0.8, 0.7], 4.3),
    ):
        got = find_edge(rates, np.array(shares))
        hint = "Does a good rate follow? What if the first rate is bad, or the last is good?"
        c.equal("edge", got, edge, hint=hint)

# %%
all_rates = np.geomspace(0.5, 5, 30)
all_starts = np.random.default_rng(64).normal(size=(50, 3))
grid = np.tile(np.log(all_rates)[:, None], (1, 50))
twin = torch_neuron(np.random.default_rng(2))
rows = np.tile(all_starts, (30, 1)), np.repeat(all_rates, 50), np.ones((1500, 3))
typical = np.median(torch_exponents(twin, *rows, 25).reshape(30, 50), axis=1)

# %% check="edge" part="measured" points=1 tags=["atol=0.03"]
with check("The neuron: 30 rates from 0.5 to 5, 50 starts, 25 steps, δ = 0.01") as c:
    patient = final_losses(neuron(np.random.default_rng(2)), all_starts, 25)
    shares = reliability(patient, grid, 0.01)
    c.show("reliability at every third rate", shares[::3])
    calm = np.mean(shares[typical < -0.2])
    hint = "Is the final loss given log rates, and differentiated with respect to them?"
    c.true("where neighbours meet, nearly 1", calm > 0.95, calm, hint=hint)
    wild = np.mean(shares[typical > 0.3])
    c.true("where neighbours part, a coin", 0.4 < wild < 0.6, wild)
    edge = find_edge(all_rates, shares)
    c.true("the edge lies between 1.8 and 2.6", 1.8 < edge < 2.6, edge)
    c.show("first rate with a positive median exponent", all_rates[typical > 0][0])
    fig, axes = plt.subplots(2, sharex=True, figsize=(7, 5))
    axes[0].semilogx(all_rates, typical, "o-", markersize=4)
    axes[1].semilogx(all_rates, shares, "o-", markersize=4)
    for ax, level in zip(axes, (0, 0.75), strict=True):
        ax.axhline(level, color="gray", linewidth=1)
        ax.axvline(edge, color="gray", linestyle=":")
    axes[0].set(ylabel="median exponent")
    axes[1].set(ylabel="reliability", xlabel="learning rate", ylim=(0, 1.05))
    axes[1].set_xticks([0.5, 1, 2, 3, 5], ["0.5", "1", "2", "3", "5"])
    axes[1].minorticks_off()
    plt.show()

# %% [markdown] tags=["solution"]
# The instruments nearly agree: an edge of 2.09, and the first positive median exponent at 2.45.
# Between the two, the typical run settles in the end, but wanders on the way: the gradient carries
# the factors of the wandering, while the exponent averages over both phases. Beyond 2.5 the
# gradients are coins. Their length shows why: it grows like $e^{\ell T}$. At $\ell = 0.5$ and
# $T = 25$ the slope is some hundred thousand times too long, and holds for a stretch that is as many
# times too short.
#
# The edge depends on $T$ and $\delta$: it is the answer to a question about this run and this step.
# The sign of $\ell$ depends on them much less, since it belongs to the motion itself.
#
# What helps: shorter runs, or a loss summed over steps, whose early terms are calm; clipping, which
# bounds the harm but not the error; smoothing $F$ over random shifts of $\log\alpha$; starting from
# *small* rates and stopping before the edge. Metz et al. (2021) describe the same failure in learned
# optimisers, recurrent networks and physics.


# %% wrong="edge" why="takes the first bad rate, though good ones follow" says="Does a good rate follow"
def reliability(final_loss, log_rates, delta):
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates - delta)
    return np.mean(np.sign(slope) == np.sign(change), axis=1)


def find_edge(rates, shares, threshold=0.75):
    bad = np.flatnonzero(shares < threshold)
    return rates[bad[0]] if len(bad) else np.inf


# %% wrong="edge" why="averages over the rates, for each start" says="which axis is averaged"
def reliability(final_loss, log_rates, delta):
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates - delta)
    return np.mean(np.sign(slope) == np.sign(change), axis=0)


def find_edge(rates, shares, threshold=0.75):
    good = np.flatnonzero(shares >= threshold)
    return rates[good[-1] + 1] if good[-1] + 1 < len(rates) else np.inf


# %% wrong="edge" why="looks to one side only: from the rate to the rate plus δ" says="both sides of (10)"
def reliability(final_loss, log_rates, delta):
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates)
    return np.mean(slope * change > 0, axis=1)


def find_edge(rates, shares, threshold=0.75):
    bad_from_here = [bool(np.all(shares[k:] < threshold)) for k in range(len(rates))]
    return rates[bad_from_here.index(True)] if any(bad_from_here) else np.inf


# %% wrong="edge" why="asks for the right size of the change, not for its sign" says="Signs of what"
def reliability(final_loss, log_rates, delta):
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates - delta)
    return np.mean(np.isclose(2 * delta * slope, change, rtol=0.1), axis=1)


def find_edge(rates, shares, threshold=0.75):
    good = np.flatnonzero(shares >= threshold)
    first = good[-1] + 1 if len(good) else 0
    return rates[first] if first < len(rates) else np.inf


# %% wrong="edge" why="returns the last good rate, one before the edge" says="What if the first rate is bad"
def reliability(final_loss, log_rates, delta):
    slope = elementwise_grad(final_loss)(log_rates)
    change = final_loss(log_rates + delta) - final_loss(log_rates - delta)
    return np.mean(np.sign(slope) == np.sign(change), axis=1)


def find_edge(rates, shares, threshold=0.75):
    return rates[np.flatnonzero(shares >= threshold)[-1]]


# %% right="edge" why="start by start, by grad of a sum; the edge from the end"
def reliability(final_loss, log_rates, delta):
    slope = grad(lambda x: np.sum(final_loss(x)))(log_rates)
    up, down = final_loss(log_rates + delta), final_loss(log_rates - delta)
    right = (slope > 0) == (up > down)
    return np.array([row.sum() / len(row) for row in right])


def find_edge(rates, shares, threshold=0.75):
    edge = np.inf
    for rate, share in zip(rates[::-1], shares[::-1], strict=True):
        if share >= threshold:
            break
        edge = rate
    return edge


# %% [markdown]
# ### Defend it
# The check draws what you measured: above the median exponent against the rate, below the
# reliability. Grey lines mark 0 and 0.75, a dotted line your edge. Write a paragraph here (it earns
# no points): do your two instruments agree on the edge? Which of the two would you trust for another
# $\delta$, or for twice as many steps? And what would you do, if the best rate lay beyond the edge?
#
# ## What you have now
# - Training runs that you can differentiate with respect to anything that goes into them, and a way
#   to run them backwards for the memory of a fraction of a bit for each weight and step.
# - An optimiser made of a network, and the loss that trains it.
# - Two instruments that warn you when an exact gradient has become a useless one.
#
# **References.** D. Maclaurin, D. Duvenaud and R. P. Adams (2015),
# [Gradient-based hyperparameter optimization through reversible
# learning](https://arxiv.org/abs/1502.03492). M. Andrychowicz et al. (2016),
# [Learning to learn by gradient descent by gradient descent](https://arxiv.org/abs/1606.04474).
# L. Metz et al. (2021), [Gradients are not all you need](https://arxiv.org/abs/2111.05803).
# K. Cho et al. (2014), [Learning phrase representations using RNN encoder–decoder for statistical
# machine translation](https://arxiv.org/abs/1406.1078).
