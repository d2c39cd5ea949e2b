"""NumPy, traced: ``from helpers.autodiff import numpy as np``.

Every function of NumPy is here under its own name and does exactly what it does there
when no argument is traced. With a traced argument

* functions that have VJPs (``vjps.py``, ``array_vjps.py``) or that are composed of
  such functions (``composites.py``) are recorded in the graph;
* comparisons, ``argmax``, ``sign``, ``floor`` and the like, whose derivative is zero
  or makes no sense, return plain arrays;
* all others raise ``TypeError`` and name the function.

One function is ours: ``logsumexp``. Types, constants and ``random`` are NumPy's own.
"""

import types
from collections.abc import Callable

import numpy as onp

from .tracing import nondifferentiable, primitive

_CONSTANT = """
    all allclose any argmax argmin argpartition argsort argwhere around array_equal
    array_equiv array_repr array_str array2string ceil count_nonzero digitize
    empty_like equal fix flatnonzero floor floor_divide greater greater_equal heaviside
    isclose isfinite isinf isnan isneginf isposinf isreal iscomplex iscomplexobj
    isrealobj isscalar less less_equal logical_and logical_not logical_or logical_xor
    nanargmax nanargmin ndim nonzero not_equal ones_like result_type rint round
    searchsorted shape sign signbit size trunc zeros_like
"""
CONSTANT_FUNCTIONS = frozenset(_CONSTANT.split())


def logsumexp(
    x: onp.ndarray, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> onp.ndarray:
    """log of the sum of exp(x) over ``axis``, without overflow."""
    top = onp.max(x, axis=axis, keepdims=True, initial=-onp.inf)
    top = onp.where(onp.isfinite(top), top, 0.0)
    with onp.errstate(divide="ignore"):
        total = onp.log(onp.sum(onp.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else onp.squeeze(total, axis=axis)[()]


def _wrap(module: types.ModuleType) -> dict[str, object]:
    """The module's names, its functions traced; aliases stay one function."""
    done: dict[Callable, Callable] = {}
    names: dict[str, object] = {}
    for name, thing in vars(module).items():
        if name.startswith("_"):
            continue
        if callable(thing) and not isinstance(thing, type):
            if thing not in done:
                wrap = nondifferentiable if name in CONSTANT_FUNCTIONS else primitive
                done[thing] = wrap(thing)
            thing = done[thing]
        names[name] = thing
    return names


def __getattr__(name: str) -> object:
    """Names that NumPy itself loads only when they are asked for."""
    return getattr(onp, name)


globals().update(_wrap(onp))
logsumexp = primitive(logsumexp)
linalg = types.SimpleNamespace(**_wrap(onp.linalg))
