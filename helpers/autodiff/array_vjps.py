"""VJPs of the primitives that look at whole arrays: reductions, products, shapes.

Everything else that NumPy does to arrays is composed of these, in ``composites.py``.
"""

import math
import operator
import string

import numpy as onp

from . import numpy as np
from .tracing import primitive
from .vjps import defvjp, defvjp_argnum, finite, unbroadcast

# Reductions


def restore(g, x, axis, keepdims):
    """Undo a reduction's change of shape: repeat ``g`` along the reduced axes of x."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    return np.broadcast_to(g, x.shape)


def sum_vjp(g, ans, x, axis=None, keepdims=False):
    return restore(g, x, axis, keepdims)


def mean_vjp(g, ans, x, axis=None, keepdims=False):
    return restore(g, x, axis, keepdims) * (ans.size / max(x.size, 1))


def extremum_vjp(g, ans, x, axis=None, keepdims=False):
    """To where the extremum is attained; ties share equally."""
    winners = np.equal(x, restore(ans, x, axis, keepdims))
    shares = winners / onp.sum(winners, axis=axis, keepdims=True)
    return restore(g, x, axis, keepdims) * shares


def prod_vjp(g, ans, x, axis=None, keepdims=False):
    """The product of the other elements: ans / x, unless that would be 0 / 0."""
    if np.all(np.not_equal(x, 0)):
        return restore(g * ans, x, axis, keepdims) / x
    axes = range(x.ndim) if axis is None else _normalised(axis, x.ndim)
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    last = np.transpose(x, order)
    rows = last.shape[: x.ndim - len(axes)]
    count = math.prod(last.shape[len(rows) :])
    square = np.reshape(last, (*rows, 1, count))
    others = np.prod(np.where(onp.eye(count, dtype=bool), 1.0, square), axis=-1)
    others = np.transpose(np.reshape(others, last.shape), onp.argsort(order))
    return restore(g, x, axis, keepdims) * others


def cumsum_vjp(g, ans, x, axis=None):
    axis = 0 if axis is None else axis
    return np.reshape(np.flip(np.cumsum(np.flip(g, axis), axis), axis), x.shape)


def logsumexp_vjp(g, ans, x, axis=None, keepdims=False):
    softmax = np.exp(x - restore(finite(ans), x, axis, keepdims))
    return restore(g, x, axis, keepdims) * softmax


def _normalised(axis, ndim):
    return onp.lib.array_utils.normalize_axis_tuple(axis, ndim)


defvjp(np.sum, sum_vjp)
defvjp(np.mean, mean_vjp)
defvjp(np.max, extremum_vjp)
defvjp(np.min, extremum_vjp)
defvjp(np.prod, prod_vjp)
defvjp(np.cumsum, cumsum_vjp)
defvjp(np.logsumexp, logsumexp_vjp)

# Products


def matmul_vjp_x(g, ans, x, y):
    """x̄ = ḡ yᵀ; a vector counts as the row or the column that it stands for."""
    if np.ndim(y) == 1:
        return unbroadcast(np.expand_dims(g, -1) * y, x)
    if x.ndim == 1:
        return unbroadcast(np.matmul(y, np.expand_dims(g, -1))[..., 0], x)
    return unbroadcast(np.matmul(g, _transposed(y)), x)


def matmul_vjp_y(g, ans, x, y):
    """ȳ = xᵀ ḡ."""
    if np.ndim(x) == 1 and y.ndim > 1:
        return unbroadcast(np.expand_dims(x, -1) * np.expand_dims(g, -2), y)
    if np.ndim(x) == 1:
        return g * x
    if y.ndim == 1:
        return unbroadcast(np.matmul(_transposed(x), np.expand_dims(g, -1))[..., 0], y)
    return unbroadcast(np.matmul(_transposed(x), g), y)


def _transposed(x):
    return np.swapaxes(x, -1, -2)


@primitive
def einsum(subscripts, *operands, **kwargs):
    return onp.einsum(subscripts, *operands, **kwargs)


def einsum_vjp(argnum, g, ans, subscripts, *operands, **kwargs):
    """An einsum again: output and other operands in, this operand's letters out.

    A letter that only this operand has comes in through a vector of ones; the second
    of two equal letters (a diagonal) is renamed and tied to the first by an identity.
    """
    inputs, output = subscripts.split("->")
    inputs = inputs.split(",")
    x, letters = operands[argnum - 1], inputs.pop(argnum - 1)
    others = operands[: argnum - 1] + operands[argnum:]
    terms, factors, wanted = [output, *inputs], [g, *others], []
    unused = (c for c in string.ascii_letters if c not in subscripts)
    for letter, size in zip(letters, x.shape, strict=True):
        if letter in wanted:
            twin = next(unused)
            terms.append(letter + twin)
            factors.append(onp.eye(size))
            letter = twin
        elif not any(letter in term for term in terms):
            terms.append(letter)
            factors.append(onp.ones(size))
        wanted.append(letter)
    pulled = einsum(f"{','.join(terms)}->{''.join(wanted)}", *factors, **kwargs)
    return np.broadcast_to(unbroadcast(pulled, x), x.shape)


defvjp(np.matmul, matmul_vjp_x, matmul_vjp_y)
defvjp_argnum(einsum, einsum_vjp)

# Shapes

defvjp(
    np.reshape,
    lambda g, ans, x, shape, order="C": np.reshape(g, x.shape, order=order),
)
defvjp(np.broadcast_to, lambda g, ans, x, shape: unbroadcast(g, x))
defvjp(np.astype, lambda g, ans, x, dtype: np.astype(g, x.dtype))


def transpose_vjp(g, ans, x, axes=None):
    if axes is None:
        return np.transpose(g)
    return np.transpose(g, onp.argsort(_normalised(axes, x.ndim)))


defvjp(np.transpose, transpose_vjp)


@primitive
def concatenate(*arrays, axis, starts):
    """Arrays one after another along ``axis``; ``starts`` says where each begins."""
    return onp.concatenate(arrays, axis)


def concatenate_vjp(argnum, g, ans, *arrays, axis, starts):
    here = slice(starts[argnum], starts[argnum] + arrays[argnum].shape[axis])
    return g[(slice(None),) * axis + (here,)]


defvjp_argnum(concatenate, concatenate_vjp)

# Indexing

getitem = primitive(operator.getitem)


@primitive
def scatter(values, index, shape):
    """Zeros of ``shape`` with ``values`` added at ``index``: getitem's transpose."""
    out = onp.zeros(shape, values.dtype)
    if _distinct(index):
        out[index] = values
    else:
        onp.add.at(out, index, values)
    return out


def _distinct(index):
    """Whether the index surely names no element twice: no array of integers in it."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(
        isinstance(part, list | onp.ndarray) and onp.asarray(part).dtype != bool
        for part in parts
    )


defvjp(getitem, lambda g, ans, x, index: scatter(g, index, x.shape))
defvjp(scatter, lambda g, ans, values, index, shape: getitem(g, index))

# Linear algebra

inv, solve, det = np.linalg.inv, np.linalg.solve, np.linalg.det


def inv_vjp(g, ans, x):
    return -_transposed(ans) @ g @ _transposed(ans)


def solve_vjp_a(g, ans, a, b):
    pulled = -solve(_transposed(a), g) @ _transposed(ans)
    return unbroadcast(pulled, a)


def det_vjp(g, ans, x):
    return (g * ans)[..., None, None] * _transposed(inv(x))


@primitive
def log_abs_det(x):
    return onp.linalg.slogdet(x)[1]


defvjp(inv, inv_vjp)
defvjp(
    solve,
    solve_vjp_a,
    lambda g, ans, a, b: unbroadcast(solve(_transposed(a), g), b),
)
defvjp(det, det_vjp)
defvjp(log_abs_det, lambda g, ans, x: g[..., None, None] * _transposed(inv(x)))
