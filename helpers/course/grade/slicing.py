"""The statements of a check that the values it tells depend on.

A backward slice in the sense of Weiser, "Program slicing", IEEE Transactions on
Software Engineering SE-10 (1984), without regard to the order of statements: what is
needed once is needed everywhere.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

TELL = "_told"
"""What a call of `tell` calls, until its source is written; and how the name of a
function ends that calls it."""

# Methods that change what they are called on and nothing else.
_FILLING = {"add", "append", "appendleft", "extend", "insert", "setdefault", "update"}
_PICTURES = {"plt", "fig", "axes", "axis"}


def needed(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """What remains of a body if only calls of `tell` and what they need are kept.

    Loops over pairs, assignments of several values and the like lose the parts that
    nothing needs. Calls of which it cannot be told what they change are kept.
    """
    used: set[str] = set()
    while True:
        kept = _kept(copy.deepcopy(body), used)
        found = {name for statement in kept for name in loaded(statement)}
        if found <= used:
            return kept or [ast.Pass()]
        used |= found


def loaded(tree: ast.AST) -> Iterator[str]:
    """The names that are read in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id


def _kept(body: Sequence[ast.stmt], used: AbstractSet[str]) -> list[ast.stmt]:
    return [s for statement in body if (s := _cut(statement, used)) is not None]


def _cut(statement: ast.stmt, used: AbstractSet[str]) -> ast.stmt | None:
    """The statement without what nothing uses, or None."""
    simple = not hasattr(statement, "body")
    # What tells is needed even if nothing uses its value, and what is tried may raise.
    if isinstance(statement, ast.Try) or (simple and _tells(statement)):
        return statement
    match statement:
        case ast.Assign():
            return _cut_assignment(statement, used)
        case ast.AugAssign() | ast.AnnAssign():
            return statement if _binds(statement.target, used) else None
        case ast.FunctionDef() | ast.ClassDef():
            return statement if statement.name in used else None
        case ast.Expr():
            return statement if _acts(statement.value, used) else None
        case ast.Return():
            return ast.Return(None)
        case ast.Assert() | ast.Pass():
            return None
        case ast.For():
            _cut_columns(statement, used)
    if simple:
        return statement
    for field in ("body", "orelse"):
        setattr(statement, field, _kept(getattr(statement, field, []), used))
    if not (statement.body or statement.orelse or _tells(statement)):
        return None
    statement.body = statement.body or [ast.Pass()]
    return statement


def _cut_assignment(statement: ast.Assign, used: AbstractSet[str]) -> ast.Assign | None:
    statement.targets = [t for t in statement.targets if _binds(t, used)]
    if not statement.targets:
        return None
    match statement:
        case ast.Assign([ast.Tuple() as target], ast.Tuple() as value):
            if _is_plain([*target.elts, *value.elts]):
                keep = _columns(target, used)
                _take([target, value], keep)
                if len(keep) == 1:
                    statement.targets, statement.value = target.elts, value.elts[0]
    return statement


def _cut_columns(loop: ast.For, used: AbstractSet[str]) -> None:
    """Drop the parts of a loop's target that nothing uses, and what they run over."""
    if not isinstance(loop.target, ast.Tuple) or not _is_plain(loop.target.elts):
        return
    keep = _columns(loop.target, used) or [0]
    match loop.iter:
        case ast.Call(ast.Name("zip"), args) if _is_plain(args):
            loop.iter.args = [args[i] for i in keep]
            _take([loop.target], keep)
        case ast.List(rows) | ast.Tuple(rows) if all(
            isinstance(row, ast.Tuple) and _is_plain(row.elts) for row in rows
        ):
            _take([loop.target, *rows], keep)


def _columns(target: ast.Tuple, used: AbstractSet[str]) -> list[int]:
    return [i for i, part in enumerate(target.elts) if _binds(part, used)]


def _take(rows: Sequence[ast.Tuple], keep: Sequence[int]) -> None:
    for row in rows:
        row.elts = [row.elts[i] for i in keep]


def _is_plain(parts: Sequence[ast.expr]) -> bool:
    return not any(isinstance(part, ast.Starred) for part in parts)


def _binds(target: ast.expr, used: AbstractSet[str]) -> bool:
    """Whether an assignment to the target changes something that is used."""
    if isinstance(target, ast.Tuple | ast.List):
        return any(_binds(part, used) for part in target.elts)
    root = _root(target)
    return root is None or root in used


def _root(node: ast.expr) -> str | None:
    """`x` of `x`, `x.y`, `x[i].y` and the like."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _acts(value: ast.expr, used: AbstractSet[str]) -> bool:
    """Whether an expression that is a statement changes something that is used."""
    if not isinstance(value, ast.Call):
        return False
    match value.func:
        case ast.Attribute(owner, method):
            root = _root(owner)
            if method in _FILLING:
                return root is None or root in used
            # A list may have the name of a picture, which has no method of a list.
            return root not in _PICTURES or hasattr(list, method)
    return True


def _tells(node: ast.AST) -> bool:
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    names = (getattr(f, "id", None) or getattr(f, "value", None) for f in calls)
    return any(str(name).endswith(TELL) for name in names)
