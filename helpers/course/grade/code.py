"""What can be told of a student's code without running it."""

import ast
import re
import warnings
from contextlib import suppress

from IPython.core.inputtransformer2 import TransformerManager

_HEAD = re.compile(r"^(?:async +def|def|class) +(\w+)|^(\w+) *=(?!=)", re.MULTILINE)


def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, magics allowed; None where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes such as "\\d"
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse(source)
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse(TransformerManager().transform_cell(source))
    return None


def syntax_error(source: str) -> str:
    """Where a cell is no Python, in words; empty where it is."""
    if parse(source) is not None:
        return ""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        pass
    return "this is not Python"


def bound_names(source: str) -> set[str]:
    """The names that a cell defines at top level.

    >>> sorted(bound_names("def f(x):\\n    y = x\\nz = w = 1\\nimport a.b as c"))
    ['c', 'f', 'w', 'z']
    """
    tree = parse(source)
    if tree is None:
        return {a or b for a, b in _HEAD.findall(source)}
    return {name for statement in tree.body for name in _binds(statement)}


def imported(source: str) -> set[str]:
    """The modules that some code imports, and what it imports from them, dotted.

    >>> sorted(imported("import a.b as c\nfrom d import e"))
    ['a.b', 'd', 'd.e']
    """
    tree, found = parse(source), set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return found


def additions(theirs: str, ours: str) -> str:
    """The imports, functions and classes in `theirs` whose names `ours` lacks.

    >>> additions("import math\\nn = 2\\ndef f(): pass", "n = 1")
    'import math\\ndef f():\\n    pass'
    """
    known, tree, added = bound_names(ours), parse(theirs), []
    for statement in tree.body if tree else ():
        if isinstance(statement, _DEFINITIONS) and not _binds(statement) <= known:
            with suppress(RecursionError):
                added.append(ast.unparse(statement))
    return "\n".join(added)


def same_code(one: str, other: str) -> bool:
    """Whether two cells are the same but for blanks and comments."""
    if tidy(one) == tidy(other):
        return True
    trees = parse(one), parse(other)
    with suppress(RecursionError):
        return None not in trees and ast.dump(trees[0]) == ast.dump(trees[1])
    return False


def continues(first: str, second: str) -> bool:
    """Whether two cells are halves of one that an editor has split."""
    lines = [line for line in second.splitlines() if line.strip()]
    indented = bool(lines) and lines[0][0] in " \t"
    halves = indented or parse(first) is None
    return halves and parse(f"{first}\n{second}") is not None


def tidy(source: str) -> str:
    """A cell without blanks at the ends of lines and blank lines at its ends."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


_DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


def _binds(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {a.asname or a.name.partition(".")[0] for a in statement.names}
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
