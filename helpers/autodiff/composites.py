"""NumPy functions composed of others: written once here, they need no VJP of their own.

Each runs only when an argument is traced; otherwise NumPy's own function does. Three
families are not even written one by one: what NumPy does to the shape, to the order of
the axes or to the choice of elements is read off a stand-in to which it is done.
"""

import functools
import string
from collections.abc import Callable

import numpy as onp

from . import numpy as np
from .array_vjps import concatenate as join
from .array_vjps import einsum as explicit_einsum
from .array_vjps import log_abs_det, scatter
from .tracing import Box, unbox

# Linear algebra's own primitives, before ``composite`` puts others in their place.
solve_matrix = np.linalg.solve


def composite(raw: Callable, module: object = np) -> Callable:
    """Replace ``raw`` in ``module``, under each of its names, where it is traced."""

    def replace(fun):
        @functools.wraps(raw)
        def either(*args, **kwargs):
            if _is_traced(args) or _is_traced(kwargs.values()):
                return fun(*args, **kwargs)
            return raw(*args, **kwargs)

        for name, thing in list(vars(module).items()):
            if getattr(thing, "__wrapped__", None) is raw:
                setattr(module, name, either)
        return either

    return replace


def _is_traced(args):
    return any(
        type(arg) is Box or (type(arg) in (list, tuple) and _is_traced(arg))
        for arg in args
    )


# The three families


def _reshaping(raw):
    @composite(raw)
    def reshaped(x, *args, **kwargs):
        x = np.asarray(x)
        stand_in = onp.empty(x.shape, dtype=bool)
        return np.reshape(x, raw(stand_in, *args, **kwargs).shape)


def _reordering(raw):
    @composite(raw)
    def reordered(x, *args, **kwargs):
        stand_in = onp.broadcast_to(False, tuple(range(x.ndim)))
        return np.transpose(x, raw(stand_in, *args, **kwargs).shape)


def _choosing(raw):
    @composite(raw)
    def chosen(x, *args, **kwargs):
        x = np.asarray(x)
        numbers = onp.arange(x.size).reshape(x.shape)
        return np.reshape(x, -1)[raw(numbers, *args, **kwargs)]


RESHAPING = "expand_dims squeeze atleast_1d atleast_2d atleast_3d"
REORDERING = "swapaxes moveaxis rollaxis matrix_transpose"
CHOOSING = "flip flipud fliplr rot90 roll repeat tile diagonal take_along_axis delete"
for family, names in (
    (_reshaping, RESHAPING),
    (_reordering, REORDERING),
    (_choosing, CHOOSING),
):
    for name in names.split():
        family(getattr(onp, name))

# Making arrays, taking them apart, putting them together


@composite(onp.asarray)
@composite(onp.array)
def array(object, dtype=None):
    if type(object) is not Box:
        object = stack([array(item) for item in object])
    return object if dtype is None else object.astype(dtype)


@composite(onp.ravel)
def ravel(a, order="C"):
    return np.reshape(a, -1, order=order)


@composite(onp.concatenate)
def concatenate(arrays, axis=0):
    arrays = [np.asarray(array) for array in arrays]
    if axis is None:
        arrays, axis = [np.ravel(array) for array in arrays], 0
    axis %= arrays[0].ndim
    ends = onp.cumsum([array.shape[axis] for array in arrays])
    return join(*arrays, axis=axis, starts=[0, *ends[:-1]])


@composite(onp.stack)
def stack(arrays, axis=0):
    return np.concatenate([np.expand_dims(array, axis) for array in arrays], axis)


@composite(onp.vstack)
def vstack(arrays):
    return np.concatenate([np.atleast_2d(array) for array in arrays], 0)


@composite(onp.hstack)
def hstack(arrays):
    arrays = [np.atleast_1d(array) for array in arrays]
    return np.concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


@composite(onp.column_stack)
def column_stack(arrays):
    arrays = [np.asarray(array) for array in arrays]
    columns = [x if x.ndim > 1 else np.reshape(x, (-1, 1)) for x in arrays]
    return np.concatenate(columns, 1)


def _splitting(raw):
    @composite(raw)
    def split(x, indices_or_sections, axis=0):
        pieces = raw(onp.arange(x.shape[axis]), indices_or_sections)
        before = (slice(None),) * (axis % x.ndim)
        ends = [(p[0], p[-1] + 1) if p.size else (0, 0) for p in pieces]
        return [x[(*before, slice(*end))] for end in ends]


_splitting(onp.split)
_splitting(onp.array_split)


@composite(onp.take)
def take(a, indices, axis=None):
    if axis is None:
        return np.reshape(a, -1)[indices]
    return a[(slice(None),) * (axis % a.ndim) + (onp.asarray(indices),)]


@composite(onp.pad)
def pad(x, pad_width, mode="constant", **kwargs):
    numbers = onp.arange(x.size).reshape(x.shape)
    if mode == "constant":
        frame = onp.pad(onp.zeros(x.shape), pad_width, mode, **kwargs)
        inside = onp.nonzero(onp.pad(onp.ones(x.shape), pad_width))
        return frame + scatter(np.reshape(x, -1), inside, frame.shape)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(f"pad with mode {mode!r} has no VJP: use another mode")
    return np.reshape(x, -1)[onp.pad(numbers, pad_width, mode, **kwargs)]


@composite(onp.diag)
def diag(v, k=0):
    if v.ndim == 2:
        return np.diagonal(v, k)
    mask = onp.diag(onp.ones(v.shape, dtype=bool), k)
    return scatter(v, mask, mask.shape)


@composite(onp.tril)
def tril(m, k=0):
    return np.where(onp.tri(*m.shape[-2:], k=k, dtype=bool), m, 0.0)


@composite(onp.triu)
def triu(m, k=0):
    return np.where(onp.tri(*m.shape[-2:], k=k - 1, dtype=bool), 0.0, m)


@composite(onp.diff)
def diff(a, n=1, axis=-1):
    last = np.moveaxis(a, axis, -1)
    for _ in range(n):
        last = last[..., 1:] - last[..., :-1]
    return np.moveaxis(last, -1, axis)


# Order and choice


@composite(onp.clip)
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    low = a_min if min is None else min
    high = a_max if max is None else max
    if low is not None:
        a = np.where(a < low, low, a)
    if high is not None:
        a = np.where(a > high, high, a)
    return a


@composite(onp.sort)
def sort(a, axis=-1, kind=None):
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, np.argsort(a, axis, kind), axis)


@composite(onp.partition)
def partition(a, kth, axis=-1):
    if axis is None:
        a, axis = np.ravel(a), 0
    return np.take_along_axis(a, np.argpartition(a, kth, axis), axis)


@composite(onp.median)
def median(a, axis=None, keepdims=False):
    ordered = np.sort(a, axis)
    axis_or_first = 0 if axis is None else axis
    n = ordered.shape[axis_or_first]
    middle = np.mean(
        np.take(ordered, [(n - 1) // 2, n // 2], axis_or_first),
        axis_or_first,
        keepdims=keepdims,
    )
    return np.reshape(middle, (1,) * a.ndim) if keepdims and axis is None else middle


# Statistics


@composite(onp.var)
def var(a, axis=None, *, ddof=0, keepdims=False):
    centred = a - np.mean(a, axis=axis, keepdims=True)
    total = np.sum(centred * centred, axis=axis, keepdims=keepdims)
    return total / (a.size // total.size - ddof)


@composite(onp.std)
def std(a, axis=None, *, ddof=0, keepdims=False):
    return np.sqrt(np.var(a, axis=axis, ddof=ddof, keepdims=keepdims))


# Products


@composite(onp.tensordot)
def tensordot(a, b, axes=2):
    """An einsum in which b shares a's letters on the axes that are summed."""
    a, b = np.asarray(a), np.asarray(b)
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    summed = [onp.atleast_1d(places).astype(int) for places in axes]
    letters_a = list(range(a.ndim))
    letters_b = list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(*summed, strict=True):
        letters_b[j] = letters_a[i]
    kept = [i for i in letters_a + letters_b if (letters_a + letters_b).count(i) == 1]
    return np.einsum(a, letters_a, b, letters_b, kept, optimize=True)


@composite(onp.dot)
def dot(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return a @ b
    return np.tensordot(a, b, (a.ndim - 1, b.ndim - 2))


@composite(onp.inner)
def inner(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return np.tensordot(a, b, (a.ndim - 1, b.ndim - 1))


@composite(onp.vdot)
def vdot(a, b):
    return np.ravel(a) @ np.ravel(b)


@composite(onp.outer)
def outer(a, b):
    return np.reshape(a, (-1, 1)) * np.reshape(b, -1)


@composite(onp.trace)
def trace(a, offset=0, axis1=0, axis2=1):
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1)


@composite(onp.einsum)
def einsum(*operands, **kwargs):
    """Every form of einsum, written out as letters with an arrow and no ellipsis."""
    if not isinstance(operands[0], str):
        operands = _from_sublists(operands)
    subscripts, *arrays = operands
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = inputs.split(",")
    spare = [c for c in string.ascii_letters if c not in subscripts]
    dots = ""
    for i, (term, x) in enumerate(zip(inputs, arrays, strict=True)):
        if "..." in term:
            here = "".join(spare[: np.ndim(x) - len(term) + 3][::-1])
            inputs[i] = term.replace("...", here)
            dots = max(dots, here, key=len)
    if not arrow:
        every = "".join(inputs)
        once = (c for c in sorted(set(every)) if every.count(c) == 1 and c not in dots)
        output = dots + "".join(once)
    explicit = f"{','.join(inputs)}->{output.replace('...', dots)}"
    return explicit_einsum(explicit, *arrays, **kwargs)


def _from_sublists(operands):
    """einsum(x, [0, 1], y, [1, 2], [0, 2]) as einsum("ab,bc->ac", x, y)."""
    *operands, output = [*operands, None] if len(operands) % 2 == 0 else operands

    def letters(places):
        return "".join("..." if i is ... else string.ascii_letters[i] for i in places)

    terms = ",".join(letters(places) for places in operands[1::2])
    if output is not None:
        terms += "->" + letters(output)
    return terms, *operands[::2]


# Linear algebra


@composite(onp.linalg.solve, np.linalg)
def solve(a, b):
    b = np.asarray(b)
    if b.ndim == 1:
        return solve_matrix(a, np.expand_dims(b, 1))[..., 0]
    return solve_matrix(a, b)


@composite(onp.linalg.slogdet, np.linalg)
def slogdet(a):
    return onp.linalg.slogdet(unbox(a))[0], log_abs_det(a)


@composite(onp.linalg.norm, np.linalg)
def norm(x, ord=None, axis=None, keepdims=False):
    if ord is None or (ord == "fro" and x.ndim == 2):
        return _euclidean(x, axis, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if onp.ndim(axes) == 0 or len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if ord == "fro":
        return _euclidean(x, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, onp.inf, -onp.inf):
        summed = axes[0] if abs(ord) == 1 else axes[1]
        sums = np.sum(np.abs(x), axis=summed, keepdims=True)
        return (np.max if ord > 0 else np.min)(sums, axis=axes, keepdims=keepdims)
    raise TypeError(f"norm with ord={ord!r} over axes {axes} has no VJP: use 'fro'")


def _euclidean(x, axis, keepdims):
    """Square root of the sum of squares; the gradient at the zero vector is zero."""
    total = np.sum(x * x, axis=axis, keepdims=keepdims)
    zero = total == 0
    return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, total)))


def _vector_norm(x, ord, axis, keepdims):
    sizes = np.abs(x)
    if ord == onp.inf:
        return np.max(sizes, axis=axis, keepdims=keepdims)
    if ord == -onp.inf:
        return np.min(sizes, axis=axis, keepdims=keepdims)
    if ord == 2:
        return _euclidean(x, axis, keepdims)
    return np.sum(sizes**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)
