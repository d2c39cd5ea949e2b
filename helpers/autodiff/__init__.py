"""Reverse-mode automatic differentiation of NumPy programs.

    from helpers.autodiff import grad
    from helpers.autodiff import numpy as np

    grad(lambda x: np.tanh(x) ** 2)(0.5)

Read it in this order: ``tracing.py``, ``vjps.py``, ``backward.py``; then how NumPy is
wrapped (``numpy.py``, ``array_vjps.py``, ``composites.py``, ``arrays.py``) and what is
built on top (``operators.py``, ``check.py``, ``draw.py``).
"""

from . import arrays, numpy
from .check import check_grads
from .draw import draw
from .operators import (
    elementwise_grad,
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    make_jvp,
    make_vjp,
    value_and_grad,
)
from .tracing import primitive
from .vjps import defvjp, defvjp_argnum

__all__ = [
    "arrays",
    "check_grads",
    "defvjp",
    "defvjp_argnum",
    "draw",
    "elementwise_grad",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "make_jvp",
    "make_vjp",
    "numpy",
    "primitive",
    "value_and_grad",
]
