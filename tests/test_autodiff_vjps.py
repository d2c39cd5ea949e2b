"""Every differentiable function of the traced NumPy against torch and differences.

``CASES`` holds one recipe per function: random arguments, our call, torch's call. A
function without a recipe fails ``test_every_function_has_a_case``.
"""

import math
from functools import partial

import numpy as onp
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.autodiff import array_vjps, check_grads, grad, make_vjp
from helpers.autodiff import numpy as np
from helpers.autodiff.numpy import CONSTANT_FUNCTIONS
from helpers.autodiff.tracing import Rules

CASES = {}


def case(*names):
    """Register a recipe ``(name, draw, rng) -> ours, theirs, arrays``."""

    def register(recipe):
        for name in names:
            CASES[name] = partial(recipe, name)
        return recipe

    return register


def lookup(name):
    if name in ("getitem", "scatter"):
        return getattr(array_vjps, name)
    module, _, function = name.rpartition(".")
    return getattr(np.linalg if module else np, function)


def shapes(min_dims=0, min_side=0, max_dims=3):
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=4
    )


def as_torch(x):
    return torch.tensor(x, dtype=torch.float64)


# The comparison


def assert_agrees(ours, theirs, arrays, rng):
    """Values, first and second derivatives of ours and theirs, shapes included."""
    places = tuple(range(len(arrays)))
    vjp, value = make_vjp(ours, places)(*arrays)
    leaves = [as_torch(x).requires_grad_() for x in arrays]
    expected = theirs(*leaves)
    assert_same(value, expected)

    g = rng.normal(size=onp.shape(value))
    weights = [rng.normal(size=onp.shape(x)) for x in arrays]
    torch_g = as_torch(g).requires_grad_()
    first = differentiate(expected, leaves, torch_g)
    for mine, other in zip(vjp(g), first, strict=True):
        assert_same(mine, other)

    def weighted(*inputs):
        *xs, g = inputs
        pulled = make_vjp(ours, places)(*xs)[0](g)
        return sum(np.sum(w * p) for w, p in zip(weights, pulled, strict=True))

    total = sum((as_torch(w) * f).sum() for w, f in zip(weights, first, strict=True))
    second = differentiate(total, [*leaves, torch_g], torch.ones_like(total))
    mine = grad(weighted, tuple(range(len(arrays) + 1)))(*arrays, g)
    for one, other in zip(mine, second, strict=True):
        assert_same(one, other)


def differentiate(output, leaves, g):
    if not output.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    return torch.autograd.grad(
        output, leaves, g, create_graph=True, allow_unused=True, materialize_grads=True
    )


def assert_same(mine, other):
    assert onp.shape(mine) == tuple(other.shape)
    onp.testing.assert_allclose(
        mine, other.detach().numpy(force=True), rtol=1e-8, atol=1e-9
    )


def run_case(name, data):
    rng = onp.random.default_rng(data.draw(st.integers(0, 2**32)))
    ours, theirs, arrays = CASES[name](data.draw, rng)
    assert_agrees(ours, theirs, arrays, rng)
    check_grads(ours, *arrays)


QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# Elementwise

UNARY = {
    "abs": (torch.abs, "any"),
    "fabs": (torch.abs, "any"),
    "exp": (torch.exp, "any"),
    "exp2": (torch.exp2, "any"),
    "expm1": (torch.expm1, "any"),
    "log": (torch.log, "positive"),
    "log2": (torch.log2, "positive"),
    "log10": (torch.log10, "positive"),
    "log1p": (torch.log1p, "positive"),
    "sqrt": (torch.sqrt, "positive"),
    "cbrt": (lambda x: x.sign() * x.abs() ** (1 / 3), "negative"),
    "square": (torch.square, "any"),
    "reciprocal": (torch.reciprocal, "negative"),
    "negative": (torch.neg, "any"),
    "positive": (torch.positive, "any"),
    "copy": (torch.clone, "any"),
    "sin": (torch.sin, "any"),
    "cos": (torch.cos, "any"),
    "tan": (torch.tan, "inside"),
    "arcsin": (torch.asin, "inside"),
    "arccos": (torch.acos, "inside"),
    "arctan": (torch.atan, "any"),
    "sinh": (torch.sinh, "any"),
    "cosh": (torch.cosh, "any"),
    "tanh": (torch.tanh, "any"),
    "arcsinh": (torch.asinh, "any"),
    "arccosh": (torch.acosh, "outside"),
    "arctanh": (torch.atanh, "inside"),
    "radians": (torch.deg2rad, "any"),
    "deg2rad": (torch.deg2rad, "any"),
    "degrees": (torch.rad2deg, "any"),
    "rad2deg": (torch.rad2deg, "any"),
}

DOMAINS = {
    "any": lambda x: x,
    "positive": lambda x: 0.3 + onp.abs(x),
    "negative": lambda x: -0.3 - onp.abs(x),
    "inside": lambda x: 0.9 * onp.tanh(x),
    "outside": lambda x: 1.3 + onp.abs(x),
}


def numbers(rng, shape, domain="any"):
    return onp.asarray(DOMAINS[domain](rng.normal(size=shape)))


@case(*UNARY)
def unary(name, draw, rng):
    theirs, domain = UNARY[name]
    return lookup(name), theirs, [numbers(rng, draw(shapes()), domain)]


BINARY = {
    "add": (torch.add, "any", "any"),
    "subtract": (torch.sub, "any", "any"),
    "multiply": (torch.mul, "any", "any"),
    "divide": (torch.div, "any", "negative"),
    "power": (torch.pow, "positive", "any"),
    "remainder": (torch.remainder, "any", "outside"),
    "hypot": (torch.hypot, "any", "positive"),
    "arctan2": (torch.atan2, "any", "positive"),
    "logaddexp": (torch.logaddexp, "any", "any"),
    "logaddexp2": (torch.logaddexp2, "any", "any"),
    "maximum": (torch.maximum, "any", "any"),
    "minimum": (torch.minimum, "any", "any"),
    "fmax": (torch.fmax, "any", "any"),
    "fmin": (torch.fmin, "any", "any"),
}


def broadcastable(draw, count):
    some = hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=3, min_side=0, max_side=3
    )
    return draw(some).input_shapes


@case(*BINARY)
def binary(name, draw, rng):
    theirs, *domains = BINARY[name]
    places = zip(broadcastable(draw, 2), domains, strict=True)
    arrays = [numbers(rng, shape, domain) for shape, domain in places]
    return lookup(name), theirs, arrays


@case("where")
def where(name, draw, rng):
    first, x, y = broadcastable(draw, 3)
    mask = rng.random(first) < 0.5
    return (
        lambda x, y: np.where(mask, x, y),
        lambda x, y: torch.where(torch.tensor(mask), x, y),
        [numbers(rng, x), numbers(rng, y)],
    )


@case("clip")
def clip(name, draw, rng):
    x, low = broadcastable(draw, 2)
    low = numbers(rng, low)
    arrays = [numbers(rng, x), low, low + 0.7]
    return np.clip, torch.clamp, arrays


@case("astype")
def astype(name, draw, rng):
    x = numbers(rng, draw(shapes()))
    return lambda x: np.astype(x, float) * 2.0, lambda x: x * 2.0, [x]


# Reductions


def axes(draw, ndim):
    one = st.integers(-ndim, ndim - 1) if ndim else st.none()
    several = st.sets(st.integers(0, max(ndim - 1, 0)), max_size=ndim).map(tuple)
    return draw(st.one_of(st.none(), one, several if ndim else st.none()))


def dims(axis, ndim):
    """NumPy's axis as torch takes it."""
    return tuple(range(ndim)) if axis is None else axis


def torch_var(x, axis, keepdims, ddof):
    return torch.var(x, dims(axis, x.ndim), correction=ddof, keepdim=keepdims)


def torch_prod(x, axis, keepdims):
    axis = dims(axis, x.ndim)
    axes = [i % x.ndim for i in ((axis,) if isinstance(axis, int) else axis)]
    for i in axes:
        x = x.prod(i, keepdim=True)
    kept = [n for i, n in enumerate(x.shape) if i not in axes]
    return x if keepdims else x.reshape(kept)


@case("sum", "mean", "max", "min", "prod", "logsumexp", "var", "std")
def reduction(name, draw, rng):
    shape = draw(shapes(min_side=0 if name in ("sum", "prod") else 1))
    axis, keepdims = axes(draw, len(shape)), draw(st.booleans())
    x = numbers(rng, shape)
    if name in ("var", "std"):
        if x.size < 2 or axis == () or (axis is not None and 1 in shape):
            x, axis = numbers(rng, (2, 3)), draw(st.sampled_from([None, 0, (1,)]))
        ddof = draw(st.integers(0, 1))
        root = torch.sqrt if name == "std" else lambda x: x
        return (
            lambda x: lookup(name)(x, axis=axis, ddof=ddof, keepdims=keepdims),
            lambda x: root(torch_var(x, axis, keepdims, ddof)),
            [x],
        )
    if name == "prod":
        if x.size and draw(st.booleans()):
            x.flat[rng.integers(x.size, size=draw(st.integers(0, 2)))] = 0.0
        return (
            lambda x: np.prod(x, axis=axis, keepdims=keepdims),
            lambda x: torch_prod(x, axis, keepdims),
            [x],
        )
    if axis == ():
        axis = None  # torch takes () for all axes
    theirs = {"max": torch.amax, "min": torch.amin}.get(name) or getattr(torch, name)
    return (
        lambda x: lookup(name)(x, axis=axis, keepdims=keepdims),
        lambda x: theirs(x, dims(axis, x.ndim), keepdim=keepdims) if x.ndim else x * 1,
        [x],
    )


@case("cumsum")
def cumsum(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    flat = axis is None
    return (
        lambda x: np.cumsum(x, axis),
        lambda x: torch.cumsum(x.reshape(-1) if flat else x, 0 if flat else axis),
        [x],
    )


@case("median")
def median(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1, min_side=1)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    keepdims = draw(st.booleans())

    def theirs(x):
        flat = x.reshape(-1) if axis is None else x
        out = torch.quantile(flat, 0.5, dim=-1 if axis is None else axis, keepdim=True)
        if axis is None:
            return out.reshape((1,) * x.ndim if keepdims else ())
        return out if keepdims else out.squeeze(axis)

    return lambda x: np.median(x, axis=axis, keepdims=keepdims), theirs, [x]


# Products


MATMULS = hnp.mutually_broadcastable_shapes(
    signature="(m?,n),(n,p?)->(m?,p?)", min_side=0, max_side=3, max_dims=2
)
DOTS = [
    ((), (2, 3)),
    ((2,), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)),
    ((1, 2, 3), (2, 3, 1)),
]
TENSORDOTS = [
    ((2, 3, 4), (3, 4, 2), 2),
    ((2, 3), (3, 2), ([0], [1])),
    ((2,), (3,), 0),
    ((2, 3, 4), (4, 2), ([0, -1], [1, 0])),
    ((2, 0), (0, 3), 1),
]


@case("matmul", "dot")
def matmul(name, draw, rng):
    if name == "dot":
        found, theirs = draw(st.sampled_from(DOTS)), torch_dot
    else:
        found, theirs = draw(MATMULS).input_shapes, torch.matmul
    return lookup(name), theirs, [numbers(rng, shape) for shape in found]


def torch_dot(a, b):
    if not a.ndim or not b.ndim:
        return a * b
    return torch.tensordot(a, b, dims=([a.ndim - 1], [max(b.ndim - 2, 0)]))


@case("inner", "outer", "vdot")
def vectors(name, draw, rng):
    found = {
        "inner": [((3,), (3,)), ((2, 3), (4, 3)), ((), (3,)), ((2, 1, 3), (3,))],
        "outer": [((3,), (2,)), ((2, 2), (3,)), ((), (3,)), ((0,), (2,))],
        "vdot": [((3,), (3,)), ((2, 3), (3, 2)), ((0,), (0,))],
    }[name]
    theirs = {
        "inner": torch.inner,
        "outer": lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1)),
        "vdot": lambda a, b: torch.dot(a.reshape(-1), b.reshape(-1)),
    }[name]
    return lookup(name), theirs, [numbers(rng, s) for s in draw(st.sampled_from(found))]


@case("tensordot")
def tensordot(name, draw, rng):
    a, b, axis = draw(st.sampled_from(TENSORDOTS))
    return (
        lambda a, b: np.tensordot(a, b, axis),
        lambda a, b: torch.tensordot(a, b, dims=axis),
        [numbers(rng, a), numbers(rng, b)],
    )


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("iij,j->i", (2, 2, 3), (3,)),
    ("i,j,k->kij", (2,), (3,), (4,)),
    ("...ij,...jk->...ik", (4, 2, 3), (3, 2)),
    ("...ij,...jk", (2, 1, 2, 3), (4, 3, 2)),
    ("i...,i...->...", (2, 3), (2, 1)),
    ("ij,ik->j", (2, 3), (2, 4)),
    ("i,i->", (0,), (0,)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    (",i->i", (), (3,)),
]


@case("einsum")
def einsum(name, draw, rng):
    subscripts, *found = draw(st.sampled_from(EINSUMS))
    return (
        lambda *arrays: np.einsum(subscripts, *arrays),
        lambda *arrays: torch.einsum(subscripts, *arrays),
        [numbers(rng, shape) for shape in found],
    )


# Shapes


@case("reshape", "ravel", "broadcast_to")
def reshape(name, draw, rng):
    x = numbers(rng, draw(shapes()))
    if name == "ravel":
        return np.ravel, lambda x: x.reshape(-1), [x]
    if name == "broadcast_to":
        shape, target = broadcastable(draw, 2)
        target = onp.broadcast_shapes(shape, target)
        return (
            lambda x: np.broadcast_to(x, target),
            lambda x: torch.broadcast_to(x, target),
            [numbers(rng, shape)],
        )
    if draw(st.booleans()):
        return (
            lambda x: np.reshape(x, (-1,), order="F"),
            lambda x: x.permute(tuple(range(x.ndim)[::-1])).reshape(-1),
            [x],
        )
    return lambda x: np.reshape(x, (1, x.size)), lambda x: x.reshape(1, -1), [x]


@case("transpose", "swapaxes", "moveaxis", "rollaxis", "matrix_transpose")
def transpose(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=2)))
    i, j = draw(st.tuples(*[st.integers(0, x.ndim - 1)] * 2))
    if name == "transpose":
        order = draw(st.permutations(range(x.ndim)))
        if draw(st.booleans()):
            return np.transpose, lambda x: x.permute(tuple(range(x.ndim)[::-1])), [x]
        return lambda x: np.transpose(x, order), lambda x: x.permute(*order), [x]
    ours = {
        "swapaxes": lambda x: np.swapaxes(x, i, j),
        "moveaxis": lambda x: np.moveaxis(x, i, j),
        "rollaxis": lambda x: np.rollaxis(x, i, 0),
        "matrix_transpose": np.matrix_transpose,
    }[name]
    theirs = {
        "swapaxes": lambda x: torch.swapaxes(x, i, j),
        "moveaxis": lambda x: torch.moveaxis(x, i, j),
        "rollaxis": lambda x: torch.moveaxis(x, i, 0),
        "matrix_transpose": lambda x: x.mT,
    }[name]
    return ours, theirs, [x]


@case("expand_dims", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d")
def dimensions(name, draw, rng):
    x = numbers(rng, draw(shapes(max_dims=2)))
    if name == "expand_dims":
        axis = draw(st.integers(-1, x.ndim))
        return lambda x: np.expand_dims(x, axis), lambda x: x.unsqueeze(axis), [x]
    if name == "squeeze":
        x = x.reshape(1, *x.shape)
        return lambda x: np.squeeze(x, 0), lambda x: x.squeeze(0), [x]
    if name == "atleast_3d":  # NumPy puts the axes elsewhere than torch does
        target = onp.atleast_3d(x).shape
        return np.atleast_3d, lambda x: x.reshape(target), [x]
    return lookup(name), getattr(torch, name), [x]


def several(draw, rng, min_dims=1):
    shape = draw(shapes(min_dims=min_dims))
    return [numbers(rng, shape) for _ in range(draw(st.integers(1, 3)))]


@case("concatenate", "stack", "vstack", "hstack", "column_stack", "array", "asarray")
def join(name, draw, rng):
    arrays = several(draw, rng, 0 if name in ("array", "asarray", "stack") else 1)
    if name == "concatenate":
        axis = draw(st.integers(-arrays[0].ndim, arrays[0].ndim - 1))
        lengths = list(arrays[0].shape)
        lengths[axis] = draw(st.integers(0, 3))
        arrays.append(numbers(rng, lengths))
        if draw(st.booleans()):
            flat = lambda *xs: torch.cat([x.reshape(-1) for x in xs])  # noqa: E731
            return lambda *xs: np.concatenate(xs, axis=None), flat, arrays
    elif name == "stack":
        axis = draw(st.integers(-arrays[0].ndim - 1, arrays[0].ndim))
    else:
        theirs = {"array": torch.stack, "asarray": torch.stack}.get(name)
        theirs = theirs or getattr(torch, name)
        return lambda *xs: lookup(name)(list(xs)), lambda *xs: theirs(xs), arrays
    theirs = torch.cat if name == "concatenate" else torch.stack
    return lambda *xs: lookup(name)(xs, axis=axis), lambda *xs: theirs(xs, axis), arrays


@case("split", "array_split")
def split(name, draw, rng):
    x = numbers(rng, (4, 5))
    axis = draw(st.sampled_from([0, 1, -1]))
    where = draw(st.sampled_from([[1, 3], [0, 2], [2], 3 if name != "split" else [4]]))

    def weigh(pieces):
        return sum((i + 1) * (piece**2).sum() for i, piece in enumerate(pieces))

    def theirs(x):
        places = where if isinstance(where, list) else int(where)
        return weigh(torch.tensor_split(x, places, dim=axis))

    return lambda x: weigh(lookup(name)(x, where, axis)), theirs, [x]


@case("pad")
def pad(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=2, min_side=2)))
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}
    mode = draw(st.sampled_from([*modes, "wrap"]))
    before, after = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    widths = [(0, 0)] * (x.ndim - 1) + [(before, after)]

    def theirs(x):
        rows = x.reshape(1, -1, x.shape[-1])
        torch_mode = modes.get(mode, "circular")
        padded = torch.nn.functional.pad(rows, (before, after), torch_mode)
        return padded.reshape(*x.shape[:-1], -1)

    return lambda x: np.pad(x, widths, mode=mode), theirs, [x]


@case("flip", "flipud", "fliplr", "rot90", "roll", "repeat", "tile", "delete")
def rearrange(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=2, min_side=1)))
    n = draw(st.integers(0, 3))
    ours = {
        "flip": lambda x: np.flip(x, n % 2),
        "rot90": lambda x: np.rot90(x, n),
        "roll": lambda x: np.roll(x, n, axis=1),
        "repeat": lambda x: np.repeat(x, n, axis=0),
        "tile": lambda x: np.tile(x, (n, 2)),
        "delete": lambda x: np.delete(x, 0, axis=1),
    }.get(name, lookup(name))
    theirs = {
        "flip": lambda x: torch.flip(x, [n % 2]),
        "rot90": lambda x: torch.rot90(x, n),
        "roll": lambda x: torch.roll(x, n, 1),
        "repeat": lambda x: torch.repeat_interleave(x, n, dim=0),
        "tile": lambda x: torch.tile(x, (n, 2)),
        "delete": lambda x: x[:, 1:],
    }.get(name, getattr(torch, name, None))
    return ours, theirs, [x]


@case("diag", "diagonal", "trace", "tril", "triu")
def diagonals(name, draw, rng):
    vector = name == "diag" and draw(st.booleans())
    x = numbers(rng, draw(shapes(min_dims=1 if vector else 2, max_dims=2, min_side=1)))
    x = x.ravel() if vector else x
    k = draw(st.integers(-1, 1)) if min(x.shape) > 1 else 0
    if name == "trace":
        return lambda x: np.trace(x, k), lambda x: x.diagonal(k).sum(), [x]
    return lambda x: lookup(name)(x, k), lambda x: getattr(torch, name)(x, k), [x]


@case("diff")
def diff(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1, min_side=3)))
    n, axis = draw(st.integers(0, 2)), draw(st.integers(-x.ndim, x.ndim - 1))
    return (
        lambda x: np.diff(x, n, axis) * 1.0,
        lambda x: torch.diff(x, n, axis) * 1.0,
        [x],
    )


# Order and indexing


@case("sort", "partition")
def sort(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1, min_side=1)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))

    def theirs(x):
        return torch.sort(x.reshape(-1) if axis is None else x, axis or 0)[0]

    if name == "sort":
        return lambda x: np.sort(x, axis), theirs, [x]
    # Only the middle of a partition is defined: it is where sorting puts it.
    axis = 0 if axis is None else axis
    n = x.shape[axis] // 2
    return (
        lambda x: np.take(np.partition(x, n, axis), n, axis),
        lambda x: torch.sort(x, axis)[0].select(axis, n),
        [x],
    )


@case("take", "take_along_axis")
def take(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1, min_side=1)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    if name == "take":
        places = rng.integers(x.shape[axis], size=draw(shapes(max_dims=2)))
        shape = [*x.shape[: axis % x.ndim], *places.shape]
        shape += x.shape[axis % x.ndim + 1 :]
        flat = torch.tensor(places.ravel())
        if draw(st.booleans()):
            all_places = rng.integers(x.size, size=places.shape)
            return (
                lambda x: np.take(x, all_places),
                lambda x: x.reshape(-1)[torch.tensor(all_places)],
                [x],
            )
        return (
            lambda x: np.take(x, places, axis),
            lambda x: torch.index_select(x, axis, flat).reshape(shape),
            [x],
        )
    places = rng.integers(x.shape[axis], size=x.shape)
    return (
        lambda x: np.take_along_axis(x, places, axis),
        lambda x: torch.take_along_dim(x, torch.tensor(places), axis),
        [x],
    )


@case("getitem")
def getitem(name, draw, rng):
    x = numbers(rng, draw(shapes(min_dims=1, min_side=1)))
    index = draw(
        st.one_of(
            hnp.basic_indices(x.shape, allow_newaxis=True),
            hnp.integer_array_indices(x.shape, result_shape=shapes(max_dims=2)),
            hnp.arrays(bool, x.shape),
            st.just(([0, 0], ...)),
        )
    )
    numbered = torch.tensor(onp.arange(x.size).reshape(x.shape)[index].copy())
    return lambda x: x[index], lambda x: x.reshape(-1)[numbered], [x]


@case("scatter")
def scatter(name, draw, rng):
    shape = draw(shapes(min_dims=1, min_side=1))
    index = draw(
        st.one_of(
            hnp.basic_indices(shape),
            hnp.integer_array_indices(shape, result_shape=shapes(max_dims=2)),
        )
    )
    places = onp.arange(math.prod(shape)).reshape(shape)[index]
    numbered = torch.tensor(places.copy())

    def theirs(x):
        zeros = torch.zeros(math.prod(shape), dtype=x.dtype)
        return zeros.index_add(0, numbered.reshape(-1), x.reshape(-1)).reshape(shape)

    x = numbers(rng, tuple(numbered.shape))
    return lambda x: array_vjps.scatter(x, index, shape), theirs, [x]


# Linear algebra


def well_posed(rng, stack, n):
    return rng.normal(size=(*stack, n, n)) / 2 + 2 * onp.eye(n)


@case("linalg.inv", "linalg.det", "linalg.slogdet", "linalg.solve")
def linear(name, draw, rng):
    stack = draw(st.sampled_from([(), (2,), (2, 1)]))
    n = draw(st.integers(1, 3))
    a = well_posed(rng, stack, n)
    theirs = getattr(torch.linalg, name.removeprefix("linalg."))
    if name == "linalg.slogdet":
        return lambda a: lookup(name)(a)[1], lambda a: theirs(a)[1], [a]
    if name != "linalg.solve":
        return lookup(name), theirs, [a]
    b = numbers(rng, draw(st.sampled_from([(n,), (n, 2), (2, 2, n, 2)])))
    # torch.linalg.solve takes some matrices for stacks of vectors; the inverse doesn't.
    return np.linalg.solve, lambda a, b: torch.linalg.inv(a) @ b, [a, b]


@case("linalg.norm")
def norm(name, draw, rng):
    shape = draw(shapes(min_dims=1, min_side=1))
    if draw(st.booleans()) and len(shape) > 1:
        axis, order = (0, 1), draw(st.sampled_from(["fro", 1, -1, math.inf, -math.inf]))
    else:
        axis = draw(st.integers(-len(shape), len(shape) - 1))
        order = draw(st.sampled_from([None, 1, 2, 3, 2.5, math.inf, -math.inf]))
    keepdims = draw(st.booleans())
    theirs = torch.linalg.matrix_norm if axis == (0, 1) else torch.linalg.vector_norm
    if draw(st.booleans()) and order in (None, "fro"):
        return np.linalg.norm, lambda x: x.pow(2).sum().sqrt(), [numbers(rng, shape)]
    return (
        lambda x: np.linalg.norm(x, order, axis, keepdims),
        lambda x: theirs(x, order or 2, axis, keepdim=keepdims),
        [numbers(rng, shape)],
    )


# The tests


@pytest.mark.parametrize("name", sorted(CASES))
def test_function_agrees_with_torch_and_with_differences(name):
    @settings(QUICK, max_examples=25)
    @given(data=st.data())
    def check(data):
        run_case(name, data)

    check()


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (1,), (-1, 0, 1)])
def test_reductions_along_every_kind_of_axis(axis, keepdims):
    rng = onp.random.default_rng(3)
    x = numbers(rng, (2, 3, 2))
    options = {"axis": axis, "keepdims": keepdims}
    over = {"dim": dims(axis, 3), "keepdim": keepdims}
    for ours, theirs in [
        (np.sum, torch.sum),
        (np.mean, torch.mean),
        (np.max, torch.amax),
        (np.min, torch.amin),
        (np.logsumexp, torch.logsumexp),
        (np.var, partial(torch.var, correction=0)),
        (np.std, partial(torch.std, correction=0)),
        (np.prod, lambda x, dim, keepdim: torch_prod(x, dim, keepdim)),
    ]:
        assert_agrees(
            lambda x, ours=ours: ours(x, **options),
            lambda x, theirs=theirs: theirs(x, **over),
            [x],
            rng,
        )


def differentiable(module):
    """The names in ``module`` that differentiate: own VJPs, or composed of such."""
    for name, thing in vars(module).items():
        if name in CONSTANT_FUNCTIONS or not hasattr(thing, "__wrapped__"):
            continue
        rules = getattr(thing, "vjps", None)
        if rules is None or rules or rules.every:
            yield name, thing


def test_every_function_has_a_case():
    covered = {id(lookup(name)) for name in CASES}
    names = [name for name, thing in differentiable(np) if id(thing) not in covered]
    names += [
        f"linalg.{name}"
        for name, thing in differentiable(np.linalg)
        if id(thing) not in covered
    ]
    assert not names, f"no test case for {names}"
    assert len(covered) > 100


def rules():
    """Each rule: the case that must notice when it's wrong, primitive, argument."""
    inner = {
        "einsum": array_vjps.einsum,
        "concatenate": array_vjps.concatenate,
        "linalg.slogdet": array_vjps.log_abs_det,
        "linalg.solve": array_vjps.solve,
    }
    for name in sorted(CASES):
        fun = inner.get(name, lookup(name))
        vjps = getattr(fun, "vjps", None)
        if vjps is None:
            continue
        for argnum in [None] if vjps.every else sorted(vjps):
            if (name, argnum) != ("where", 0):  # a condition's gradient is zero
                yield pytest.param(name, fun, argnum, id=f"{name}-{argnum}")


@pytest.mark.parametrize(("name", "fun", "argnum"), list(rules()))
def test_case_notices_a_wrong_vjp(name, fun, argnum, monkeypatch):
    def wrong(right):
        return lambda *args, **kwargs: right(*args, **kwargs) * 1.01

    if argnum is None:
        monkeypatch.setattr(fun.vjps, "every", wrong(fun.vjps.every))
    else:
        monkeypatch.setitem(fun.vjps, argnum, wrong(fun.vjps[argnum]))

    @settings(QUICK, max_examples=12, phases=[Phase.generate])
    @given(data=st.data())
    def check(data):
        run_case(name, data)

    with pytest.raises((AssertionError, ExceptionGroup)):
        check()


def test_no_primitive_is_left_out():
    inner = {
        name
        for name, thing in vars(array_vjps).items()
        if isinstance(getattr(thing, "vjps", None), Rules)
    }
    tested = {"einsum", "concatenate", "getitem", "scatter", "log_abs_det"}
    assert inner == tested | {"inv", "solve", "det"}
