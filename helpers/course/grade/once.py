"""Run given cells once, in the warm parent; each kernel takes over what they bound.

The values are hidden until their cell's turn comes: a kernel starts with no names.
"""

import types
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

namespace: dict[str, Any] = types.ModuleType("__main__").__dict__
"""Where cells run, here and in the kernels: functions look their names up in it."""

_bound: dict[str, dict[str, Any]] = {}


def prepare(cells: Sequence[tuple[str, str]]) -> list[str]:
    """Run cells, until one fails; the ids of those that ran.

    Args:
        cells: id and source of each, in order.
    """
    for name, source in cells:
        before = dict(namespace)
        code = TransformerManager().transform_cell(source)
        try:
            exec(compile(code, f"<{name}>", "exec"), namespace)
        except Exception:
            break
        _bound[name] = {
            key: value
            for key, value in namespace.items()
            if key not in before or before[key] is not value
        }
    namespace.clear()
    namespace["__name__"] = "__main__"
    return list(_bound)


def call(name: str) -> str:
    """Source code that stands in for a cell that was prepared."""
    return f'globals().update(__import__("{__name__}", fromlist="_").take("{name}"))'


def take(name: str) -> Mapping[str, Any]:
    """What a cell bound."""
    return _bound.pop(name)
