"""Which given cells compute the same for every student, so that once is enough."""

import ast
import builtins
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from helpers.course.grade.code import bound_names, parse
from helpers.course.sources import role

_ALWAYS = {*dir(builtins), "__name__"}


def independent(cells: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The given cells that use nothing of answers, checks, or cells that do.

    A name belongs to the last cell above that binds it. What a function's body uses
    counts where the function is called: a call that needs an answer fails before there
    is one, and `once.prepare` stops there.

    Args:
        cells: the code cells of a solution, in order.
    """
    found, known = [], set()
    for cell in cells:
        tree = parse(cell.source)
        used = {"get_ipython"} if tree is None else set(_uses(tree.body))
        if role(cell) is None and used <= known | _ALWAYS:
            found.append(cell)
            known |= bound_names(cell.source)
        else:
            known -= bound_names(cell.source)
    return found


def _uses(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that statements take from cells above."""
    own: set[str] = set()
    for statement in body:
        nodes = list(_now(statement))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        inner = stored | {node.arg for node in nodes if isinstance(node, ast.arg)}
        if isinstance(statement, ast.Assign):  # which reads before it binds
            inner -= {t.id for t in statement.targets if isinstance(t, ast.Name)}
        if isinstance(statement, ast.AugAssign):
            yield from stored - own
        yield from {n.id for n in names if isinstance(n.ctx, ast.Load)} - inner - own
        own |= stored | bound_names(ast.unparse(statement))


def _now(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a statement runs: all but the bodies of functions."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts = [*node.decorator_list, node.args]
    else:
        parts = ast.iter_child_nodes(node)
    for part in parts:
        yield from _now(part)
