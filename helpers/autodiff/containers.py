"""Tuples, lists and dictionaries of arrays, taken apart and put together again."""

from collections.abc import Callable, Iterable
from typing import Any


def flatten(tree: Any, name: str = "") -> tuple[list, list[str], Callable]:
    """The leaves of ``tree``, what each is called, and the way back.

    Tuples (named ones too), lists and dictionaries are branches; all else is a leaf.
    Returns ``(leaves, names, rebuild)``: a name reads like ``name['W'][0]``, and
    ``rebuild(leaves)`` makes a tree of the same form.
    """
    leaves: list = []
    names: list[str] = []
    take = _flatten_into(tree, name, leaves, names)
    return leaves, names, lambda new: take(iter(new))


def _flatten_into(tree, name, leaves, names):
    if isinstance(tree, dict):
        keys, items = list(tree), list(tree.values())
    elif isinstance(tree, tuple | list):
        keys, items = range(len(tree)), tree
    else:
        leaves.append(tree)
        names.append(name)
        return next
    parts = [
        _flatten_into(item, f"{name}[{key!r}]", leaves, names)
        for key, item in zip(keys, items, strict=True)
    ]

    def rebuild(new: Iterable) -> Any:
        built = [part(new) for part in parts]
        if isinstance(tree, dict):
            return dict(zip(keys, built, strict=True))
        return tree._make(built) if hasattr(tree, "_make") else type(tree)(built)

    return rebuild
