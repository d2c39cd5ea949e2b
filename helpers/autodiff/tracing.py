"""Idea 1 of 3, tracing: run a function once and write down every primitive it calls.

The inputs are wrapped in boxes. A box looks like an array, but each primitive that
receives one computes as usual and also adds a ``Node`` to the graph. When the function
returns, the graph holds what the backward pass needs: each value, the primitive that
made it, and from which arguments.

Design after Autograd (Maclaurin, Duvenaud & Adams 2015, "Autograd: effortless
gradients in NumPy").
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Every trace takes the next level. A trace that starts inside another one, as in
# ``grad(grad(f))``, therefore has the higher level. There is nothing to reset after
# an exception and nothing for two threads to share, since ``next`` is atomic.
_levels = itertools.count(1)


class Node:
    """One step of the computation: ``value = fun(*args, **kwargs)``.

    ``args`` holds plain values, not boxes of this trace. ``parents[i]`` is the node
    that ``args[i]`` came from, None where that argument is a constant. An input of the
    trace has ``fun = None`` and no parents.
    """

    __slots__ = ("args", "fun", "kwargs", "parents", "value")

    def __init__(self, value, fun=None, args=(), kwargs=None, parents=()):
        self.value = value
        self.fun = fun
        self.args = args
        self.kwargs = kwargs
        self.parents = parents


class Box:
    """A value on its way through one trace: what it is, its node, and the level.

    ``value`` is an array, a NumPy scalar, or the box of an outer trace. The methods
    and operators that make a box feel like an array are in ``arrays.py``.
    """

    __slots__ = ("level", "node", "value")

    def __init__(self, value, node, level):
        self.value = value
        self.node = node
        self.level = level


class Rules(dict):
    """A primitive's VJPs by argument number; ``every`` serves all of them at once."""

    def __init__(self, name):
        self.name = name
        self.every = None

    def __missing__(self, argnum):
        if self.every is None:
            raise TypeError(
                f"{self.name} has no VJP for its argument {argnum}, which is traced: "
                f"give one with defvjp({self.name}, ...), or do without {self.name}"
            )
        return functools.partial(self.every, argnum)


def primitive(fun: Callable) -> Callable:
    """Make ``fun`` one step of the graph, to be differentiated by its own VJPs.

    ``fun`` takes and returns arrays or scalars; inside it everything is plain NumPy.
    Traced arguments must be passed by position. Give the VJPs with ``defvjp``; a call
    with a traced argument that has none raises ``TypeError``.
    """
    vjps = Rules(getattr(fun, "__name__", repr(fun)))

    @functools.wraps(fun)
    def traced(*args, **kwargs):
        level = 0
        for arg in args:
            if type(arg) is Box and arg.level > level:
                level = arg.level
        if not level:
            return fun(*args, **kwargs)
        if kwargs:
            _refuse_boxes(fun, kwargs)

        values, parents, nested = [], [], False
        for argnum, arg in enumerate(args):
            parent = None
            if type(arg) is Box:
                if arg.level == level:
                    vjps[argnum]  # raises here, at the caller's line, if there is none
                    parent = arg.node
                    arg = arg.value
                nested = nested or type(arg) is Box
            values.append(arg)
            parents.append(parent)
        # What is left may still be boxed by an outer trace, which records it too.
        value = (traced if nested else fun)(*values, **kwargs)
        if not hasattr(value, "shape"):
            value = _as_number(fun, value)
        return Box(value, Node(value, traced, values, kwargs, parents), level)

    traced.vjps = vjps
    return traced


def nondifferentiable(fun: Callable) -> Callable:
    """Let ``fun`` see plain values: its result is a constant for every trace."""

    @functools.wraps(fun)
    def plain(*args, **kwargs):
        args = [unbox(arg) for arg in args]
        return fun(*args, **{key: unbox(arg) for key, arg in kwargs.items()})

    return plain


def trace(
    fun: Callable[[list], Sequence], inputs: Sequence
) -> tuple[list, list[Node | None], list[Node]]:
    """Run ``fun`` on boxed ``inputs``: a list of arrays in, a list of arrays out.

    Returns the output values, the node of each (None where the output doesn't depend
    on the inputs), and the nodes of the inputs.
    """
    level = next(_levels)
    roots = [Node(value) for value in inputs]
    boxes = [Box(root.value, root, level) for root in roots]
    values, ends = [], []
    for out in fun(boxes):
        ours = type(out) is Box and out.level == level
        values.append(out.value if ours else out)
        ends.append(out.node if ours else None)
    return values, ends, roots


def unbox(value: Any) -> Any:
    """The plain array or scalar inside any number of boxes."""
    while type(value) is Box:
        value = value.value
    return value


def _as_number(fun, value):
    if isinstance(value, float):
        return np.float64(value)
    raise TypeError(
        f"the primitive {fun.__name__} returned {type(value).__name__}: it must return "
        f"one array of floats"
    )


def _refuse_boxes(fun, kwargs):
    for key, arg in kwargs.items():
        if type(arg) is Box:
            raise TypeError(
                f"{fun.__name__} got the traced array {key!r} by keyword: pass it "
                f"by position, so that its gradient is recorded"
            )
