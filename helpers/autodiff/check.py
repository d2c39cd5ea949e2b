"""Gradient checking: VJPs against two-sided differences, along random directions."""

from collections.abc import Callable
from typing import Any

import numpy as onp

from .containers import flatten
from .operators import make_vjp

STEP = 1e-5
RELATIVE, ABSOLUTE = 1e-5, 1e-8


def check_grads(fun: Callable, *args: Any, order: int = 2, seed: int = 0) -> None:
    """Raise ``AssertionError`` where a derivative of ``fun`` at ``args`` is wrong.

    Every argument must be made of floats (bind the others with a lambda); the check is
    done in float64. For each array x of the arguments, with random v and unit u, it
    compares vᵀ(f(x + hu) - f(x - hu)) / 2h with (vᵀJ)u; then, up to ``order``, it does
    the same to the gradient itself. NaN or infinity in either is an error, too.
    """
    rng = onp.random.default_rng(seed)
    leaves, _, rebuild = flatten(args)
    args = rebuild(_in_double(leaf) for leaf in leaves)
    _check(fun, args, order, 1, getattr(fun, "__name__", repr(fun)), rng)


def _check(fun, args, order, now, name, rng):
    everything = tuple(range(len(args)))
    vjp, value = make_vjp(fun, everything)(*args)
    outputs, _, rebuild_output = flatten(value)
    weights = [rng.normal(size=onp.shape(output)) for output in outputs]
    gradients = flatten(vjp(rebuild_output(weights)))[0]
    inputs, places, rebuild = flatten(args, "arguments")
    total = sum(onp.sum(onp.abs(w * y)) for w, y in zip(weights, outputs, strict=True))
    _demand_finite(total, f"the value of {name}")

    for i, (x, place) in enumerate(zip(inputs, places, strict=True)):
        if onp.size(x) == 0:
            continue
        direction = rng.normal(size=onp.shape(x))
        direction /= onp.linalg.norm(direction)

        def along(step, i=i, x=x, direction=direction):
            moved = [*inputs[:i], x + step * direction, *inputs[i + 1 :]]
            return flatten(fun(*rebuild(moved)))[0]

        numeric = sum(
            onp.sum(w * (after - before)) / (2 * STEP)
            for w, after, before in zip(weights, along(STEP), along(-STEP), strict=True)
        )
        exact = onp.sum(gradients[i] * direction)
        where = f"{name}, {place}, order {now}"
        _demand_finite(numeric, f"the two-sided difference of {where}")
        _demand_finite(exact, f"the VJP of {where}")
        allowed = RELATIVE * max(abs(numeric), abs(exact)) + ABSOLUTE * (1 + total)
        if abs(numeric - exact) > allowed:
            raise AssertionError(
                f"{where}: the VJP gives {exact:.8g} where two-sided differences give "
                f"{numeric:.8g}"
            )

    if now < order:

        def gradient(*args_and_weights):
            *args, weights = args_and_weights
            return make_vjp(fun, everything)(*args)[0](rebuild_output(weights))

        _check(gradient, (*args, weights), order, now + 1, name, rng)


def _in_double(leaf):
    if isinstance(leaf, onp.ndarray) and onp.issubdtype(leaf.dtype, onp.floating):
        return leaf.astype(onp.float64)
    return onp.float64(leaf) if isinstance(leaf, onp.floating) else leaf


def _demand_finite(value, what):
    if not onp.isfinite(value):
        raise AssertionError(
            f"{what} is {value}: check the gradient at another point, or guard the "
            f"function against it (np.where, np.maximum)"
        )
