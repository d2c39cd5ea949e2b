"""What people call: ``grad`` and its relatives, thin wrappers of the backward pass.

Each takes a function and ``argnum``, the place of the argument to differentiate or a
tuple of places, and returns a function of the same arguments. The argument may be a
float, an array of floats, or tuples, lists and dictionaries of these; its gradient has
the same form, the same shapes and the same dtypes. All can be applied to their own
results, as in ``grad(grad(f))``.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as onp

from . import numpy as np
from .backward import backward_pass
from .containers import flatten
from .tracing import Box, trace

Argnum = int | tuple[int, ...]


def make_vjp(fun: Callable, argnum: Argnum = 0) -> Callable:
    """``make_vjp(fun)(*args)`` is ``(vjp, value)``: trace now, differentiate later.

    ``vjp(g)``, with ``g`` of the form and shapes of ``value``, is the vector-Jacobian
    product gᵀJ in the form of the argument; call it as often as you like. Raises
    ``TypeError`` for an argument that isn't made of floats, ``ValueError`` for a ``g``
    of another shape.
    """

    @functools.wraps(fun)
    def vjp_and_value(*args, **kwargs):
        chosen = choose(fun, argnum, args)
        inputs, names, rebuild = flatten(chosen, f"argument {argnum}")
        inputs = [checked(x, name) for x, name in zip(inputs, names, strict=True)]
        output_form = None

        def flat_fun(boxes):
            nonlocal output_form
            output = fun(*_replace(argnum, args, rebuild(boxes)), **kwargs)
            leaves, _, output_form = flatten(output)
            return leaves

        values, ends, roots = trace(flat_fun, inputs)

        def vjp(g):
            seeds = _seeds(g, values)
            outgrads = {}
            for end, seed in zip(ends, seeds, strict=True):
                if end is not None:
                    outgrads[end] = outgrads[end] + seed if end in outgrads else seed
            outgrads = backward_pass(outgrads)
            return rebuild(_finished([outgrads.get(x) for x in roots], inputs, seeds))

        return vjp, output_form(values)

    return vjp_and_value


def value_and_grad(fun: Callable, argnum: Argnum = 0) -> Callable:
    """``value_and_grad(fun)(*args)`` is ``(fun(*args), grad(fun)(*args))`` at one cost.

    Raises ``TypeError`` unless ``fun`` returns a scalar.
    """

    @functools.wraps(fun)
    def value_and_gradient(*args, **kwargs):
        vjp, value = make_vjp(fun, argnum)(*args, **kwargs)
        shape = _array_shape(fun, value)
        if shape != ():
            raise TypeError(
                f"grad needs a function with a scalar output, and {_name(fun)} "
                f"returned an array of shape {shape}: sum it up, or use "
                f"elementwise_grad or jacobian"
            )
        return value, vjp(1.0)

    return value_and_gradient


def grad(fun: Callable, argnum: Argnum = 0) -> Callable:
    """The gradient of a scalar function: ``grad(fun)(*args)`` looks like the argument.

    Raises ``TypeError`` unless ``fun`` returns a scalar and the argument is floats.
    """

    @functools.wraps(fun)
    def gradient(*args, **kwargs):
        return value_and_grad(fun, argnum)(*args, **kwargs)[1]

    return gradient


def elementwise_grad(fun: Callable, argnum: Argnum = 0) -> Callable:
    """The derivative at each element of a function that works element by element.

    It is the gradient of the sum of the output, and so the derivative only where
    output i depends on input i alone.
    """

    @functools.wraps(fun)
    def derivative(*args, **kwargs):
        vjp, value = make_vjp(fun, argnum)(*args, **kwargs)
        return vjp(onp.ones(_array_shape(fun, value)))

    return derivative


def jacobian(fun: Callable, argnum: Argnum = 0) -> Callable:
    """All partial derivatives, shape ``output.shape + argument.shape``.

    One backward pass per element of the output; for containers, one Jacobian per leaf.
    """

    @functools.wraps(fun)
    def jacobian_of(*args, **kwargs):
        vjp, value = make_vjp(fun, argnum)(*args, **kwargs)
        shape = _array_shape(fun, value)
        rows = []
        for place in onp.ndindex(shape):
            one_hot = onp.zeros(shape)
            one_hot[place] = 1.0
            rows.append(flatten(vjp(one_hot))[0])
        inputs, _, rebuild = flatten(choose(fun, argnum, args))
        return rebuild(
            np.reshape(np.array([row[i] for row in rows]), shape + np.shape(x))
            for i, x in enumerate(inputs)
        )

    return jacobian_of


def hessian(fun: Callable, argnum: int = 0) -> Callable:
    """Second derivatives of a scalar function of one array, shape ``x.shape * 2``."""
    return jacobian(grad(fun, argnum), argnum)


def hessian_vector_product(fun: Callable, argnum: Argnum = 0) -> Callable:
    """``hessian_vector_product(fun)(*args, v)`` is Hv, and never builds H.

    ``v`` has the form of the argument. H is symmetric, so Hv is a VJP of the gradient:
    about twice the cost of ``grad`` (Pearlmutter 1994).
    """

    @functools.wraps(fun)
    def product(*args_and_vector, **kwargs):
        *args, vector = args_and_vector
        vjp, _ = make_vjp(grad(fun, argnum), argnum)(*args, **kwargs)
        return vjp(vector)

    return product


def make_jvp(fun: Callable, argnum: Argnum = 0) -> Callable:
    """``make_jvp(fun)(*args)`` is ``(jvp, value)``, where ``jvp(v)`` is Jv.

    Forward derivatives from two reverse passes: ``vjp(g)`` = gᵀJ is linear in g, so its
    own VJP with respect to g is multiplication by J.
    """

    @functools.wraps(fun)
    def jvp_and_value(*args, **kwargs):
        vjp, value = make_vjp(fun, argnum)(*args, **kwargs)
        leaves, _, rebuild = flatten(value)
        anywhere = rebuild(onp.zeros(np.shape(leaf)) for leaf in leaves)
        jvp, _ = make_vjp(vjp)(anywhere)
        return jvp, value

    return jvp_and_value


def choose(fun: Callable, argnum: Argnum, args: Sequence) -> Any:
    """The argument to differentiate, or the tuple of them."""
    try:
        if isinstance(argnum, tuple):
            return tuple(args[place] for place in argnum)
        return args[argnum]
    except IndexError:
        raise TypeError(
            f"{_name(fun)} was called with {len(args)} positional arguments, so "
            f"argument {argnum} cannot be differentiated: pass it by position"
        ) from None


def _replace(argnum, args, new):
    args = list(args)
    places, items = (argnum, new) if isinstance(argnum, tuple) else ([argnum], [new])
    for place, item in zip(places, items, strict=True):
        args[place] = item
    return args


def checked(x, name):
    """An input as the trace wants it: an array or scalar of floats, or a box."""
    if type(x) is float:
        return onp.float64(x)
    if not isinstance(x, Box | onp.ndarray | onp.number):
        raise TypeError(
            f"{name} is {x!r:.40} ({type(x).__name__}), which has no gradient: pass a "
            f"float (3.0, not 3) or an array of floats"
        )
    if not onp.issubdtype(x.dtype, onp.floating):
        raise TypeError(
            f"{name} has dtype {x.dtype}, and a gradient needs real floats: convert it "
            f"with .astype(float), or differentiate with respect to another argument"
        )
    return x


def _array_shape(fun, value):
    """The shape of an output that must be one array."""
    if value is None or isinstance(value, tuple | list | dict):
        hint = ": is a return missing?" if value is None else ": return one array"
        raise TypeError(f"{_name(fun)} returned {type(value).__name__}{hint}")
    return np.shape(value)


def _seeds(g, values):
    """The gradients of the outputs, made sure to have their shapes and dtypes."""
    leaves = flatten(g)[0]
    given, needed = [np.shape(x) for x in leaves], [np.shape(x) for x in values]
    if given != needed:
        raise ValueError(f"the output has shapes {needed}, but vjp was given {given}")
    return [
        leaf if type(leaf) is Box else onp.asarray(leaf, np.result_type(value))[()]
        for leaf, value in zip(leaves, values, strict=True)
    ]


def _finished(gradients, inputs, seeds):
    """Gradients as the caller wants them: zeros where nothing arrived, right dtype.

    Each is an array of its own, which can be changed in place.
    """
    taken = {id(seed) for seed in seeds}
    finished = []
    for g, x in zip(gradients, inputs, strict=True):
        if g is None:
            g = onp.zeros(x.shape, x.dtype)
        if np.shape(g) != x.shape:
            raise ValueError(
                f"a gradient of shape {np.shape(g)} arrived at an input of shape "
                f"{x.shape}: one of your own VJPs returns a wrong shape; find it with "
                f"check_grads"
            )
        if type(g) is Box:
            g = g if g.dtype == x.dtype else g.astype(x.dtype)
        else:
            g = onp.asarray(g, x.dtype)
            if id(g) in taken or not (g.flags.owndata and g.flags.writeable):
                g = g.copy()
            taken.add(id(g))
            g = g if isinstance(x, onp.ndarray) else g[()]
        finished.append(g)
    return finished


def _name(fun):
    return getattr(fun, "__name__", repr(fun))
