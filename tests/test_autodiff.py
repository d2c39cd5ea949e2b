"""The engine itself: operators, levels, containers, long graphs, threads, mistakes."""

import gc
import math
import threading
from collections import namedtuple

import numpy as onp
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers import autodiff
from helpers.autodiff import (
    check_grads,
    defvjp,
    defvjp_argnum,
    draw,
    elementwise_grad,
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    make_jvp,
    make_vjp,
    primitive,
    value_and_grad,
)
from helpers.autodiff import numpy as np
from helpers.autodiff.backward import toposort
from helpers.autodiff.containers import flatten
from helpers.autodiff.tracing import Box, trace
from helpers.autodiff.vjps import unbroadcast

RNG = onp.random.default_rng(7)
X = RNG.normal(size=(3, 4))
W = RNG.normal(size=(4, 2))


def torch_gradient(fun, *arrays):
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    return [g.numpy() for g in torch.autograd.grad(fun(*leaves), leaves)]


def assert_close(mine, other):
    assert onp.shape(mine) == onp.shape(other)
    onp.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


# Tracing


def test_graph_records_values_primitives_arguments_and_parents():
    values, [end], [x, y] = trace(lambda b: [np.exp(b[0]) * b[1]], [2.0, X[0]])
    exp = end.parents[0]
    assert end.fun is np.multiply
    assert exp.fun is np.exp
    assert exp.parents == [x]
    assert exp.args == [2.0]
    assert end.parents[1] is y
    assert_close(values[0], onp.exp(2.0) * X[0])
    assert end.value is values[0]


def test_constants_have_no_parent_and_leave_no_node():
    _, [end, constant], [x] = trace(lambda b: [3.0 - b[0], onp.ones(2)], [1.0])
    assert end.parents == [None, x]
    assert constant is None


def test_keyword_arguments_are_recorded():
    _, [end], _ = trace(lambda b: [np.sum(b[0], axis=1, keepdims=True)], [X])
    assert end.kwargs == {"axis": 1, "keepdims": True}


def test_toposort_visits_children_before_parents_and_each_node_once():
    def diamond(boxes):
        a = np.sin(boxes[0])
        b = a * boxes[0]
        return [a + b * a]

    _, ends, [root] = trace(diamond, [0.3])
    order = list(toposort(ends))
    assert len(order) == len(set(order)) == 5
    assert order[-1] is root
    for i, node in enumerate(order):
        for parent in node.parents:
            assert order.index(parent) > i


def test_gradients_of_all_paths_add_up():
    assert grad(lambda x: x * x + x * np.sin(x) + x)(0.7) == pytest.approx(
        1.4 + math.sin(0.7) + 0.7 * math.cos(0.7) + 1
    )


# Levels


def test_nested_grad_does_not_confuse_perturbations():
    # d/dx [x d/dy (x + y)] = 1; an engine that mixes up the levels says 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    # x d/dy (x y²) at y = x is 2x³.
    inner = grad(lambda x: x * grad(lambda y: x * y * y)(x))
    assert inner(2.0) == pytest.approx(24.0)


def test_every_derivative_of_a_power():
    f, expected = lambda x: x**5, 32.0
    for n in range(6):
        assert f(2.0) == pytest.approx(expected)
        f, expected = grad(f), expected * (5 - n) / 2.0


def test_third_derivative_through_broadcasting():
    def f(x, y):
        return np.sum(np.tanh(x[:, None] * y) ** 2)

    def theirs(x, y):
        return (torch.tanh(x[:, None] * y) ** 2).sum()

    x, y = X[0], X[1, :3]
    leaves = [torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True)]
    total = theirs(*leaves)
    ours = f
    for _ in range(3):
        [first] = torch.autograd.grad(total, leaves[:1], create_graph=True)
        total = (first**2).sum()
        ours = squared_norm_of_gradient(ours)
    assert_close(ours(x, y), total.item())


def squared_norm_of_gradient(f):
    return lambda x, y: np.sum(grad(f)(x, y) ** 2)


def test_vjp_outlives_its_trace_and_can_be_repeated():
    vjp, value = make_vjp(lambda x: x @ W)(X)
    for _ in range(2):
        g = RNG.normal(size=(3, 2))
        assert_close(vjp(g), g @ W.T)
    assert_close(value, X @ W)


def test_outputs_that_depend_on_each_other():
    def f(x):
        y = np.sin(x)
        return y, y * y, y

    vjp, _ = make_vjp(f)(0.4)
    expected = (1.0 + 2 * 2.0 * math.sin(0.4) + 3.0) * math.cos(0.4)
    assert vjp((1.0, 2.0, 3.0)) == pytest.approx(expected)


# Operators


def network(p, x):
    hidden = np.tanh(x @ p["W"] + p["b"])
    return np.mean(np.logsumexp(hidden @ p["out"][0], axis=1) - hidden @ p["out"][1])


PARAMETERS = {
    "W": RNG.normal(size=(4, 5)),
    "b": RNG.normal(size=5),
    "out": [RNG.normal(size=(5, 6)), RNG.normal(size=5)],
}


def test_grad_of_a_dictionary_agrees_with_torch():
    def theirs(w, b, u, v):
        hidden = torch.tanh(torch.tensor(X) @ w + b)
        return (torch.logsumexp(hidden @ u, 1) - hidden @ v).mean()

    value, gradient = value_and_grad(network)(PARAMETERS, X)
    leaves = flatten(PARAMETERS)[0]
    assert list(gradient) == ["W", "b", "out"]
    assert type(gradient["out"]) is list
    for mine, other in zip(
        flatten(gradient)[0], torch_gradient(theirs, *leaves), strict=True
    ):
        assert_close(mine, other)
    assert value == network(PARAMETERS, X)


def test_namedtuples_and_tuples_of_arguments():
    Point = namedtuple("Point", "x y")
    gradient = grad(lambda p, s: s * p.x * p.y)(Point(2.0, 3.0), 5.0)
    assert gradient == Point(15.0, 10.0)
    assert isinstance(gradient, Point)
    assert grad(lambda a, b, c: a * b * c, (2, 0))(2.0, 3.0, 5.0) == (6.0, 15.0)
    assert grad(lambda a, b: a * b, -1)(2.0, 3.0) == 2.0


@given(
    st.recursive(
        st.floats(-3, 3),
        lambda tree: (
            st.lists(tree, max_size=3)
            | st.lists(tree, max_size=3).map(tuple)
            | st.dictionaries(st.text(max_size=2), tree, max_size=3)
        ),
        max_leaves=8,
    )
)
@settings(deadline=None, derandomize=True, database=None)
def test_containers_come_back_in_the_same_form(tree):
    leaves, names, rebuild = flatten(tree, "t")
    assert rebuild(leaves) == tree
    assert len(set(names)) == len(leaves)
    for leaf, name in zip(leaves, names, strict=True):
        assert eval(name, {"t": tree, "nan": math.nan}) == leaf

    gradient = grad(lambda tree: sum(x * x for x in flatten(tree)[0]))(tree)
    assert gradient == rebuild([2 * x for x in leaves])


def test_keyword_arguments_pass_through():
    assert grad(lambda x, scale=1.0: scale * x * x)(3.0, scale=2.0) == 12.0


def test_elementwise_grad():
    assert_close(elementwise_grad(np.tanh)(X), 1 - onp.tanh(X) ** 2)
    assert_close(
        elementwise_grad(elementwise_grad(np.sin))(X[0]),
        -onp.sin(X[0]),
    )


def test_jacobian_of_matrix_functions_agrees_with_torch():
    mine = jacobian(lambda x: np.tanh(x) @ W)(X)
    other = torch.autograd.functional.jacobian(
        lambda x: torch.tanh(x) @ torch.tensor(W), torch.tensor(X)
    )
    assert_close(mine, other.numpy())
    parts = jacobian(lambda p: p["a"] * p["b"])({"a": X[0], "b": 2.0})
    assert_close(parts["a"], 2.0 * onp.eye(4))
    assert_close(parts["b"], X[0])
    assert jacobian(lambda x: x[:0])(X[0]).shape == (0, 4)


def test_hessian_and_its_products_agree_with_torch():
    def f(x):
        return np.sum(np.tanh(x @ W) ** 3)

    def theirs(x):
        return (torch.tanh(x @ torch.tensor(W)) ** 3).sum()

    expected = torch.autograd.functional.hessian(theirs, torch.tensor(X)).numpy()
    assert_close(hessian(f)(X), expected)
    v = RNG.normal(size=X.shape)
    product = hessian_vector_product(f)(X, v)
    assert_close(product, onp.tensordot(expected, v, 2))


def test_hessian_vector_product_of_containers_and_other_arguments():
    def f(scale, p):
        return scale * p["a"] ** 2 * p["b"]

    product = hessian_vector_product(f, 1)(
        3.0, {"a": 2.0, "b": 5.0}, {"a": 1.0, "b": 0.5}
    )
    assert product == {"a": 3 * (2 * 5.0 + 4 * 0.5), "b": 3 * 4.0}


def test_jvp_is_the_jacobian_times_the_vector():
    jvp, value = make_jvp(lambda x: (np.sin(x) @ W, np.sum(x)))(X)
    v = RNG.normal(size=X.shape)
    assert_close(jvp(v)[0], (onp.cos(X) * v) @ W)
    assert_close(jvp(v)[1], v.sum())
    assert_close(value[0], onp.sin(X) @ W)


def test_jvp_and_vjp_are_transposes():
    def f(x):
        return np.logsumexp(np.exp(x) @ W, axis=1)

    v, g = RNG.normal(size=X.shape), RNG.normal(size=3)
    jvp, _ = make_jvp(f)(X)
    vjp, _ = make_vjp(f)(X)
    assert onp.sum(g * jvp(v)) == pytest.approx(onp.sum(vjp(g) * v))


def test_jvp_differentiates_again():
    assert grad(lambda x: make_jvp(np.sin)(x)[0](1.0))(0.4) == pytest.approx(
        -math.sin(0.4)
    )


def test_output_independent_of_the_input_has_zero_gradient():
    assert grad(lambda x: 3.0)(1.0) == 0.0
    assert_close(grad(lambda p: p["a"] ** 2)({"a": 3.0, "b": X})["b"], 0 * X)
    assert_close(jacobian(lambda x: onp.ones(2))(X[0]), onp.zeros((2, 4)))


@pytest.mark.parametrize("dtype", [onp.float16, onp.float32, onp.float64])
def test_gradient_has_the_dtype_of_its_argument(dtype):
    x = X.astype(dtype)
    g = grad(lambda x: np.sum(np.exp(x) * onp.ones((3, 4))))(x)
    assert g.dtype == dtype
    assert grad(lambda x: x * x)(dtype(2)).dtype == dtype


def test_gradients_are_arrays_of_their_own():
    a, b = grad(lambda a, b: np.sum((a + b) ** 2), (0, 1))(X, X)
    a *= 0.0
    assert_close(b, 4 * X)
    g = onp.ones(3)
    pulled = make_vjp(lambda x: x)(onp.ones(3))[0](g)
    pulled *= 0.0
    assert_close(g, onp.ones(3))
    total = grad(np.sum)(X)
    total += 1.0  # a broadcast view would refuse
    x = onp.ones(3)
    grad(lambda x: np.sum(x * x))(x)
    assert_close(x, onp.ones(3))


# The user's own primitives


@primitive
def softplus(x):
    return math.log1p(math.exp(x)) if onp.ndim(x) == 0 else onp.logaddexp(0.0, x)


defvjp(softplus, lambda g, ans, x: g / (1.0 + np.exp(-x)))


@primitive
def scaled_sum(*arrays, scale):
    return scale * sum(arrays)


defvjp_argnum(
    scaled_sum,
    lambda argnum, g, ans, *arrays, scale: unbroadcast(g * scale, arrays[argnum]),
)


def test_primitives_of_the_user():
    assert_close(grad(lambda x: np.sum(softplus(x)))(X), 1 / (1 + onp.exp(-X)))
    assert grad(lambda x: softplus(x) * x)(0.0) == pytest.approx(math.log(2))
    check_grads(softplus, X)
    check_grads(softplus, 0.3)
    check_grads(lambda x, y: scaled_sum(x, y, x, scale=2.0), X, X[0])


def test_primitives_defined_for_some_arguments_only():
    @primitive
    def power(x, n):
        return x**n

    defvjp(power, lambda g, ans, x, n: g * n * x ** (n - 1))
    assert grad(power)(2.0, 3) == 12.0
    with pytest.raises(TypeError, match="power has no VJP for its argument 1"):
        grad(power, 1)(2.0, 3.0)


# Points where the derivative needs care: the same choice as torch


@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (np.abs, torch.abs, [0.0, -1.0]),
        (np.max, torch.amax, [1.0, 3.0, 3.0, 2.0]),
        (np.min, torch.amin, [1.0, 1.0, 3.0]),
        (np.prod, torch.prod, [0.0, 2.0, 3.0]),
        (np.prod, torch.prod, [0.0, 2.0, 0.0]),
        (lambda x: np.maximum(x, 1.0), lambda x: torch.maximum(x, ONE), [1.0, 2.0]),
        (lambda x: np.minimum(x, 1.0), lambda x: torch.minimum(x, ONE), [1.0, 2.0]),
        (lambda x: np.clip(x, 0.0, 1.0), lambda x: x.clamp(0, 1), [0.0, 0.5, 1.0, 2.0]),
        (np.linalg.norm, torch.linalg.vector_norm, [0.0, 0.0]),
        (lambda x: x**2, lambda x: x**2, [0.0, -1.0]),
        (lambda x: x**0, lambda x: x**0, [0.0, -1.0]),
        (lambda x: x**3.0, lambda x: x**3.0, [0.0, -1.0]),
        (lambda x: 0.0**x, lambda x: 0.0**x, [2.0, 3.0]),
        (np.logsumexp, lambda x: x.logsumexp(0), [-math.inf, 1.0, 2.0]),
        (np.logsumexp, lambda x: x.logsumexp(0), [1000.0, 999.0]),
        (lambda x: np.sort(x)[0], lambda x: x.sort(stable=True)[0][0], [1.0, 1.0, 0.0]),
    ],
)
def test_special_points_agree_with_torch(ours, theirs, x):
    x = onp.array(x)
    mine = elementwise_grad(ours)(x)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf)
    assert_close(ours(x), expected.detach().numpy())
    [other] = torch.autograd.grad(expected.sum(), [leaf])
    assert_close(mine, other.numpy())


ONE = torch.tensor(1.0, dtype=torch.float64)


def test_second_derivative_of_a_product_with_zeros():
    for x in ([0.0, 2.0, 3.0, 4.0], [0.0, 0.0, 3.0, 4.0], [0.0, 0.0, 0.0, 4.0]):
        other = torch.autograd.functional.hessian(torch.prod, torch.tensor(x))
        assert_close(hessian(np.prod)(onp.array(x)), other.numpy().astype(float))


# The namespace


def test_untraced_calls_are_numpys_own():
    x = onp.arange(6.0).reshape(2, 3)
    assert np.sum(x, dtype=onp.float32).dtype == onp.float32
    assert type(np.add(1, 2)) is onp.int64
    assert np.sort(x[::-1], axis=0, stable=True).tolist() == x.tolist()
    assert np.var([1, 2, 4], correction=1) == onp.var([1, 2, 4], correction=1)
    assert np.pi is onp.pi
    assert np.float64 is onp.float64
    assert np.random is onp.random
    assert np.pow is np.power
    assert np.linalg.svd(x)[1].shape == (2,)
    assert np.exp.__doc__ == onp.exp.__doc__


def test_logsumexp_is_torchs():
    x = RNG.normal(size=(3, 4)) * 300
    for axis, keepdims in [(0, False), ((0, 1), True), (-1, True)]:
        other = torch.logsumexp(torch.tensor(x), axis, keepdim=keepdims)
        assert_close(np.logsumexp(x, axis, keepdims), other.numpy())
    assert np.logsumexp(onp.zeros(0)) == -math.inf
    assert np.logsumexp(onp.array([math.inf, 1.0])) == math.inf


def test_gradient_of_logsumexp_where_all_is_minus_infinity_is_zero():
    assert grad(np.logsumexp)(onp.full(2, -math.inf)).tolist() == [0.0, 0.0]
    assert grad(np.logaddexp)(-math.inf, -math.inf) == 0.0


def test_boxes_look_like_arrays():
    seen = {}

    def f(x):
        seen.update(shape=x.shape, ndim=x.ndim, size=x.size, dtype=x.dtype, n=len(x))
        seen.update(text=f"{x[0, 0]:.2f}", repr=repr(x[0, 0]), true=bool(x[0, 0] > -9))
        seen.update(member=1.5 in x, ints=x.astype(onp.int64).dtype)
        rows = [row.sum() for row in x]
        y = x.reshape(4, 3).T.reshape((2, 6)).transpose().transpose(1, 0).ravel()
        z = (
            x.mean(0).dot(x.max(0))
            + x.std()
            + x.clip(0, 1).prod()
            + x.swapaxes(0, 1).var()
        )
        return np.sum(np.array(rows)) + (y * y).cumsum()[-1] + z + x.flatten()[0]

    x = X.copy()
    x[0, 0] = 1.5
    check_grads(f, x)
    f(Box(x, None, 1))
    assert seen["shape"] == (3, 4)
    assert (seen["ndim"], seen["size"], seen["n"]) == (2, 12, 3)
    assert seen["text"] == "1.50"
    assert "1.5" in seen["repr"]
    assert seen["true"] is True
    assert seen["member"]
    assert seen["ints"] == onp.int64


def test_operators_accept_constants_on_either_side():
    ones = onp.ones((3, 4))
    for f in (
        lambda x: ones + x - ones * 2 - x,
        lambda x: 2.0 / (x * x + 1) + onp.float64(3) * x + onp.float32(2) / (x * x + 1),
        lambda x: W.T @ x.T + (x @ W).T,
        lambda x: 2.0**x + (+x) ** 2 + abs(x) + x % 3.0 + 7.0 % (x * x + 1),
        lambda x: [[1.0, 2.0, 3.0, 4.0]] * x + onp.float64(1) - x,
    ):
        check_grads(f, X)


def test_comparisons_and_their_like_are_constants():
    def f(x):
        assert type(x > 0) is onp.ndarray
        assert type(np.argmax(x)) is onp.int64
        for y in (np.sign(x), np.floor(x), x // 1.0, np.round(x), x == x, x > 0.5):
            assert type(y) is onp.ndarray
        return np.sum(np.where(x > 0, x, 0.0))

    assert_close(grad(f)(X), (X > 0).astype(float))
    assert_close(grad(lambda x: np.sum(np.where(x, x * x, 1.0)))(X), 2 * X)


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3),
)
@settings(deadline=None, derandomize=True, database=None)
def test_unbroadcast_is_the_transpose_of_broadcasting(found):
    small, other = found.input_shapes
    x, g = RNG.normal(size=small), RNG.normal(size=onp.broadcast_shapes(small, other))
    v = RNG.normal(size=small)
    pulled = unbroadcast(g, onp.asarray(x))
    assert pulled.shape == small
    assert onp.sum(pulled * v) == pytest.approx(onp.sum(g * v))


def test_einsum_with_sublists():
    check_grads(lambda x, w: np.einsum(x, [0, 1], w, [1, 2], [2, 0]), X, W)
    check_grads(lambda x: np.einsum(x, [..., 0]), X)


def test_indexing_sums_repeated_elements():
    picked = [0, 2, 0, 0]
    assert_close(
        grad(lambda x: np.sum(x[picked]))(X),
        onp.bincount(picked, minlength=3)[:, None] * onp.ones(4),
    )
    index = (onp.array([0, 0, 1]), onp.array([1, 1, 2]))
    expected = onp.zeros((3, 4))
    expected[0, 1], expected[1, 2] = 2, 1
    assert_close(grad(lambda x: np.sum(x[index]))(X), expected)


# Long graphs, exceptions, threads


def test_chain_of_100_000_nodes():
    def chain(x):
        for _ in range(100_000):
            x = x + 1e-5
        return x * x

    assert grad(chain)(1.0) == pytest.approx(4.0)
    gc.collect()


def test_deep_second_derivative():
    def chain(x):
        y = x
        for _ in range(20_000):
            y = y + 1e-5 * x
        return y * y * y

    assert grad(grad(chain))(1.0) == pytest.approx(6 * 1.2**3)


def test_graph_is_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        grad(lambda x: np.sum(np.tanh(x) * x))(X)
        assert not any(type(thing) is Box for thing in gc.get_objects())
    finally:
        gc.enable()


def test_exception_leaves_no_state():
    def fails(x):
        if x > 0:
            raise RuntimeError("mine")
        return x

    def outer(x):
        with pytest.raises(RuntimeError, match="mine"):
            grad(lambda y: fails(y) * x)(1.0)
        return x * grad(lambda y: x * y * y)(2.0)

    assert grad(outer)(3.0) == 24.0
    assert grad(lambda x: x * x)(3.0) == 6.0


def test_threads_differentiate_at_once():
    barrier, results = threading.Barrier(4), {}

    def work(n):
        def f(x):
            barrier.wait()  # all four are in the middle of a trace here
            for _ in range(200):
                x = np.sin(x) * n
            barrier.wait()
            return x

        results[n] = grad(grad(f))(0.3)

    def alone(n):
        x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        y = x
        for _ in range(200):
            y = torch.sin(y) * n
        [first] = torch.autograd.grad(y, x, create_graph=True)
        return torch.autograd.grad(first, x)[0].item()

    threads = [threading.Thread(target=work, args=(n,)) for n in (0.9, 1.0, 1.1, 1.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, mine in results.items():
        assert mine == pytest.approx(alone(n), rel=1e-6)
    assert len(results) == 4


# Mistakes, answered in words


@pytest.mark.parametrize(
    ("fun", "argument", "words"),
    [
        (lambda x: x * x, 3, r"argument 0 is 3 \(int\).*3\.0, not 3"),
        (lambda x: x * x, True, r"argument 0 is True \(bool\)"),
        (lambda x: x * x, "a", r"argument 0 is 'a' \(str\)"),
        (lambda x: x * x, onp.arange(3), r"dtype int64.*\.astype\(float\)"),
        (lambda x: x * x, 1j * X, "dtype complex128"),
        (lambda p: p["n"] * 1.0, {"n": [1.0, 2]}, r"argument 0\['n'\]\[1\] is 2"),
        (lambda x: x * x, X, r"scalar.*shape \(3, 4\).*elementwise_grad or jacobian"),
        (lambda x: None, X, "returned NoneType: is a return missing"),
        (lambda x: (x, x), 1.0, "returned tuple: return one array"),
        (lambda x: np.interp(x, X[0], X[0]), 1.0, "interp has no VJP.*defvjp"),
        (lambda x: np.linalg.svd(x)[0], X, "svd has no VJP for its argument 0"),
        (lambda x: x.__setitem__(0, 1.0), X, "assigned to in place.*np.where"),
        (lambda x: float(x), 1.0, "plain Python number.*not math.exp"),
        (lambda x: math.exp(x), 1.0, "plain Python number"),
        (lambda x: int(x), 1.0, "plain Python number"),
        (lambda x: [1, 2][x], 1.0, "plain Python number"),
        (lambda x: x.item(), 1.0, "plain Python number"),
        (lambda x: onp.sin(x), 1.0, "from helpers.autodiff import numpy as np"),
        (lambda x: onp.sum(x), X, "from helpers.autodiff import numpy as np"),
        (lambda x: onp.concatenate([x, x]), X, "from helpers.autodiff import numpy"),
        (lambda x: np.exp([x, x]), 1.0, "np.array or np.stack"),
        (lambda x: np.sum(a=x), X, "by position"),
        (lambda x: np.add(x, y=x), X, "'y' by keyword"),
        (lambda x: np.pad(x, 1, mode="mean"), X, "'mean' has no VJP"),
        (lambda x: np.linalg.norm(x, "nuc"), X, "'nuc'.*no VJP"),
        (lambda x: primitive(str)(x), 1.0, "str has no VJP"),
        (lambda x: broken(x), 1.0, "broken returned tuple.*one array"),
    ],
)
def test_mistakes_raise_type_errors_that_say_what_to_do(fun, argument, words):
    with pytest.raises(TypeError, match=words):
        grad(fun)(argument)


@primitive
def broken(x):
    return x, x


defvjp(broken, lambda g, ans, x: g)


def test_in_place_assignment_of_a_traced_value_names_the_reason():
    out = onp.zeros(3)
    with pytest.raises((TypeError, ValueError)) as caught:
        grad(lambda x: out.__setitem__(0, x))(1.0)
    assert "plain Python number" in f"{caught.value} {caught.value.__cause__}"


def test_missing_arguments_and_wrong_shapes():
    with pytest.raises(TypeError, match="argument 1 cannot be differentiated"):
        grad(lambda x, y=1.0: x * y, 1)(2.0)
    vjp, _ = make_vjp(np.sin)(X)
    with pytest.raises(ValueError, match=r"\(3, 4\).*given \[\(4,\)\]"):
        vjp(onp.ones(4))
    with pytest.raises(TypeError, match="<lambda> is not a primitive"):
        defvjp(lambda x: x, lambda g, ans, x: g)


def test_error_in_a_vjp_names_the_primitive():
    with pytest.raises(TypeError) as caught:
        grad(lambda x: np.sum(x, where=True))(X)
    assert "in the VJP of sum, argument 0" in caught.value.__notes__


def test_wrong_shape_from_a_users_vjp():
    @primitive
    def total(x):
        return onp.sum(x)

    defvjp(total, lambda g, ans, x: g)
    with pytest.raises(ValueError, match=r"shape \(\) arrived .* shape \(3, 4\)"):
        grad(total)(X)


# Gradient checking


def test_check_grads_finds_a_wrong_first_derivative():
    @primitive
    def cube(x):
        return x**3

    defvjp(cube, lambda g, ans, x: g * 3.001 * x**2)
    with pytest.raises(AssertionError, match=r"cube, arguments\[0\], order 1: the VJP"):
        check_grads(cube, X)


def test_check_grads_finds_a_wrong_second_derivative():
    @primitive
    def slope(x):
        return 3 * x**2

    defvjp(slope, lambda g, ans, x: g * 6.1 * x)

    @primitive
    def cube(x):
        return x**3

    defvjp(cube, lambda g, ans, x: g * slope(x))
    check_grads(cube, X, order=1)
    with pytest.raises(AssertionError, match="order 2"):
        check_grads(cube, X)


def test_check_grads_names_the_argument():
    @primitive
    def product(x, y):
        return x * y

    defvjp(product, lambda g, ans, x, y: g * y, lambda g, ans, x, y: -g * x)
    with pytest.raises(AssertionError, match=r"arguments\[1\]\['y'\]"):
        check_grads(lambda x, p: product(x, p["y"]), 2.0, {"y": 3.0})


def test_check_grads_refuses_nan_and_kinks():
    with (
        onp.errstate(all="ignore"),
        pytest.raises(AssertionError, match="value of log is nan"),
    ):
        check_grads(np.log, -1.0)
    with (
        onp.errstate(all="ignore"),
        pytest.raises(AssertionError, match=r"sqrt.* is (nan|inf)"),
    ):
        check_grads(np.sqrt, 0.0)
    with pytest.raises(TypeError, match=r"argument.*3 \(int\)"):
        check_grads(np.exp, 3)


def test_check_grads_of_single_precision_is_done_in_double():
    check_grads(np.tanh, X.astype(onp.float32))


# Pictures


def loss(w, x, b, t):
    y = 1.0 / (1.0 + np.exp(-(w * x + b)))
    return 0.5 * (y - t) ** 2


@pytest.mark.parametrize("with_dot", [True, False])
def test_drawing_shows_inputs_steps_and_constants(with_dot, monkeypatch):
    module = __import__("sys").modules["helpers.autodiff.draw"]
    if with_dot and module.shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    if not with_dot:
        monkeypatch.setattr(module.shutil, "which", lambda name: None)
    picture = draw(loss, 0.5, 1.5, -0.2, 1.0)
    svg = picture._repr_svg_()
    assert "<svg" in svg
    for text in ("multiply", "exp", "power", ">w<", ">t<", "0.06693"):
        assert text in svg
    assert repr(picture) == "graph: 4 inputs, 9 primitives"
    assert svg == draw(loss, 0.5, 1.5, -0.2, 1.0).svg
    arrays = draw(lambda p, x: np.tanh(x @ p["W"])[0], {"W": W}, X).svg
    assert "(4, 2)" in arrays
    assert "getitem" in arrays


def test_package_exports_what_it_names():
    for name in autodiff.__all__:
        assert hasattr(autodiff, name)
