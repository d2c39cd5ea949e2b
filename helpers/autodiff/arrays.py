"""What makes a box feel like an array: operators, methods, and refusals in words."""

import operator

import numpy as onp

from .array_vjps import getitem
from .composites import np  # once the composed functions are in it
from .tracing import Box, nondifferentiable, unbox

PLAIN_NUMPY = (
    "NumPy itself was given a traced array: use the same function from "
    "`from helpers.autodiff import numpy as np`, pass traced arrays by position, and "
    "turn lists of them into one with np.array or np.stack"
)


def _refuse(message):
    def refused(self, *args, **kwargs):
        raise TypeError(message)

    return refused


def _swapped(fun):
    return lambda self, other: fun(other, self)


# Let ``array * box`` call the box's own operator instead of looking at its elements.
Box.__array_priority__ = 1000.0
Box.__array__ = _refuse(PLAIN_NUMPY)
Box.__array_function__ = _refuse(PLAIN_NUMPY)

for name, fun in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "mod": np.remainder,
    "floordiv": np.floor_divide,
    "matmul": np.matmul,
}.items():
    setattr(Box, f"__{name}__", fun)
    setattr(Box, f"__r{name}__", _swapped(fun))
for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Box, f"__{name}__", nondifferentiable(getattr(operator, name)))
Box.__neg__ = np.negative
Box.__pos__ = np.positive
Box.__abs__ = np.abs
Box.__getitem__ = getitem
Box.__hash__ = None

# What reads a value without keeping it
Box.__len__ = lambda self: len(self.value)
Box.__iter__ = lambda self: (self[i] for i in range(len(self)))
Box.__bool__ = lambda self: bool(unbox(self))
Box.__contains__ = lambda self, item: unbox(item) in unbox(self)
Box.__repr__ = lambda self: f"Box({unbox(self)!r})"
Box.__format__ = lambda self, spec: format(unbox(self), spec)

# What would lose the gradient without a word
TO_NUMBER = (
    "a traced value cannot become a plain Python number, since its gradient would be "
    "lost: compute with functions of helpers.autodiff.numpy (np.exp, not math.exp) and "
    "convert after differentiating"
)
for name in ("float", "int", "index", "complex"):
    setattr(Box, f"__{name}__", _refuse(TO_NUMBER))
Box.item = Box.tolist = _refuse(TO_NUMBER)
Box.__setitem__ = _refuse(
    "a traced array cannot be assigned to in place, since the backward pass needs its "
    "values: build a new one with np.where, np.concatenate or np.stack"
)

for name in ("shape", "ndim", "size", "dtype"):
    setattr(Box, name, property(operator.attrgetter(f"value.{name}")))
Box.T = property(np.transpose)
Box.mT = property(np.matrix_transpose)


def _varargs(fun):
    """x.reshape(2, 3) means x.reshape((2, 3)), and so for transpose."""

    def method(self, *args, **kwargs):
        several = len(args) > 1
        return fun(self, args, **kwargs) if several else fun(self, *args, **kwargs)

    return method


Box.reshape = _varargs(np.reshape)
Box.transpose = _varargs(np.transpose)
Box.flatten = np.ravel


def _astype(self, dtype):
    if onp.issubdtype(dtype, onp.floating):
        return np.astype(self, dtype)
    return unbox(self).astype(dtype)


Box.astype = _astype

METHODS = """
    all any argmax argmin argpartition argsort clip copy cumsum diagonal dot max mean
    min nonzero prod ravel repeat round searchsorted squeeze std sum swapaxes take trace
    var
"""
for name in METHODS.split():
    setattr(Box, name, getattr(np, name))
