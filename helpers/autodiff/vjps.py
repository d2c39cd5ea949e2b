"""Idea 2 of 3, VJPs: each primitive knows how to pull a gradient back through itself.

For y = f(x), the gradient of the loss L with respect to x is the vector-Jacobian
product x̄ = ȳᵀ ∂y/∂x, where ȳ = ∂L/∂y. The Jacobian is never built: the VJP of ``exp``
is one product, the VJP of a sum is a broadcast. A VJP has the signature

    vjp(g, ans, *args, **kwargs)

with ``g`` the gradient of the output (ȳ), ``ans`` the output and ``args``, ``kwargs``
the arguments of the call. It returns an array of the shape of its argument. VJPs are
written with the traced NumPy, so that they can be differentiated in turn.

Here are ``defvjp`` and the elementwise functions; the others are in ``array_vjps.py``.
"""

import math
from collections.abc import Callable

from . import numpy as np
from .tracing import Rules


def defvjp(fun: Callable, *vjps: Callable | None) -> None:
    """Give the primitive ``fun`` its VJPs, one per positional argument.

    Each is called as ``vjp(g, ans, *args, **kwargs)``. None means that the argument
    cannot be differentiated. Raises ``TypeError`` when ``fun`` isn't a primitive.
    """
    _rules(fun).update({i: vjp for i, vjp in enumerate(vjps) if vjp is not None})


def defvjp_argnum(fun: Callable, vjp: Callable) -> None:
    """One VJP for all arguments of a primitive that takes any number of them.

    It is called as ``vjp(argnum, g, ans, *args, **kwargs)``.
    """
    _rules(fun).every = vjp


def _rules(fun):
    rules = getattr(fun, "vjps", None)
    if not isinstance(rules, Rules):
        name = getattr(fun, "__name__", repr(fun))
        raise TypeError(f"{name} is not a primitive: write @primitive above it first")
    return rules


def unbroadcast(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Sum ``g`` over the axes along which ``x`` was broadcast, back to x's shape."""
    shape = x.shape
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    ones = [extra + i for i, size in enumerate(shape) if size == 1]
    return np.reshape(np.sum(g, axis=(*range(extra), *ones)), shape)


def finite(ans):
    """0 in place of an infinite logarithm of a sum, so that exp(x - ans) is no NaN."""
    return np.where(np.isfinite(ans), ans, 0.0)


def tied(x, y, ans):
    """x's part of max(x, y): ties are shared half and half, as torch does."""
    here, there = x == ans, y == ans
    return np.where(here, np.where(there, 0.5, 1.0), 0.0)


def elementwise(fun, derivative):
    """A function of one array, by its derivative(ans, x)."""
    defvjp(fun, lambda g, ans, x: g * derivative(ans, x))


def broadcasting(fun, left, right):
    """A function of two arrays that broadcast: left and right VJP before summing."""
    defvjp(
        fun,
        lambda g, ans, x, y: unbroadcast(left(g, ans, x, y), x),
        lambda g, ans, x, y: unbroadcast(right(g, ans, x, y), y),
    )


def power_of_x(g, ans, x, y):
    """Of x**y: y x**(y - 1), which is 0 where y = 0, also at x = 0."""
    return g * y * np.power(x, np.where(np.equal(y, 0), 1.0, y - 1.0))


def power_of_y(g, ans, x, y):
    """Of x**y: x**y log x, which is 0 where x = 0."""
    return g * ans * np.log(np.where(np.equal(x, 0), 1.0, x))


LN2, LN10, DEGREE = math.log(2.0), math.log(10.0), math.pi / 180

elementwise(np.abs, lambda ans, x: np.sign(x))
elementwise(np.fabs, lambda ans, x: np.sign(x))
elementwise(np.exp, lambda ans, x: ans)
elementwise(np.exp2, lambda ans, x: ans * LN2)
elementwise(np.expm1, lambda ans, x: ans + 1.0)
elementwise(np.log, lambda ans, x: 1.0 / x)
elementwise(np.log2, lambda ans, x: 1.0 / (x * LN2))
elementwise(np.log10, lambda ans, x: 1.0 / (x * LN10))
elementwise(np.log1p, lambda ans, x: 1.0 / (1.0 + x))
elementwise(np.sqrt, lambda ans, x: 0.5 / ans)
elementwise(np.cbrt, lambda ans, x: 1.0 / (3.0 * ans * ans))
elementwise(np.square, lambda ans, x: 2.0 * x)
elementwise(np.reciprocal, lambda ans, x: -ans * ans)
elementwise(np.sin, lambda ans, x: np.cos(x))
elementwise(np.cos, lambda ans, x: -np.sin(x))
elementwise(np.tan, lambda ans, x: 1.0 + ans * ans)
elementwise(np.arcsin, lambda ans, x: 1.0 / np.sqrt(1.0 - x * x))
elementwise(np.arccos, lambda ans, x: -1.0 / np.sqrt(1.0 - x * x))
elementwise(np.arctan, lambda ans, x: 1.0 / (1.0 + x * x))
elementwise(np.sinh, lambda ans, x: np.cosh(x))
elementwise(np.cosh, lambda ans, x: np.sinh(x))
elementwise(np.tanh, lambda ans, x: 1.0 - ans * ans)
elementwise(np.arcsinh, lambda ans, x: 1.0 / np.sqrt(x * x + 1.0))
elementwise(np.arccosh, lambda ans, x: 1.0 / np.sqrt(x * x - 1.0))
elementwise(np.arctanh, lambda ans, x: 1.0 / (1.0 - x * x))
for radians in (np.radians, np.deg2rad):
    elementwise(radians, lambda ans, x: DEGREE)
for degrees in (np.degrees, np.rad2deg):
    elementwise(degrees, lambda ans, x: 1.0 / DEGREE)
defvjp(np.negative, lambda g, ans, x: -g)
for same in (np.positive, np.copy):
    defvjp(same, lambda g, ans, x: g)

# The three commonest, spelled out to spare a call each
defvjp(
    np.add,
    lambda g, ans, x, y: unbroadcast(g, x),
    lambda g, ans, x, y: unbroadcast(g, y),
)
defvjp(
    np.subtract,
    lambda g, ans, x, y: unbroadcast(g, x),
    lambda g, ans, x, y: unbroadcast(-g, y),
)
defvjp(
    np.multiply,
    lambda g, ans, x, y: unbroadcast(g * y, x),
    lambda g, ans, x, y: unbroadcast(g * x, y),
)
broadcasting(
    np.divide, lambda g, ans, x, y: g / y, lambda g, ans, x, y: -g * x / (y * y)
)
broadcasting(np.power, power_of_x, power_of_y)
broadcasting(
    np.remainder, lambda g, ans, x, y: g, lambda g, ans, x, y: -g * np.floor(x / y)
)
broadcasting(
    np.hypot, lambda g, ans, x, y: g * x / ans, lambda g, ans, x, y: g * y / ans
)
broadcasting(
    np.arctan2,
    lambda g, ans, y, x: g * x / (x * x + y * y),
    lambda g, ans, y, x: -g * y / (x * x + y * y),
)
broadcasting(
    np.logaddexp,
    lambda g, ans, x, y: g * np.exp(x - finite(ans)),
    lambda g, ans, x, y: g * np.exp(y - finite(ans)),
)
broadcasting(
    np.logaddexp2,
    lambda g, ans, x, y: g * np.exp2(x - finite(ans)),
    lambda g, ans, x, y: g * np.exp2(y - finite(ans)),
)
for extremum in (np.maximum, np.minimum, np.fmax, np.fmin):
    broadcasting(
        extremum,
        lambda g, ans, x, y: g * tied(x, y, ans),
        lambda g, ans, x, y: g * tied(y, x, ans),
    )

defvjp(
    np.where,
    lambda g, ans, condition, x, y: np.zeros_like(condition),
    lambda g, ans, condition, x, y: unbroadcast(np.where(condition, g, 0.0), x),
    lambda g, ans, condition, x, y: unbroadcast(np.where(condition, 0.0, g), y),
)
