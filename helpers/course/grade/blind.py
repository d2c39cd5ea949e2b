"""A check without what it expects: the student's side of each comparison.

A check compares in the process in which the student's code runs, so that this code can
get at the expected values, or at the comparison. The grader's copy keeps the student's
side only: `c.close("loss", f(x), g(x))` becomes `tell("loss", f(x))`, and what only
`g(x)` needed is left out. What it prints is compared elsewhere, by `values.same`.
"""

import ast
import copy
import re
import textwrap
from collections.abc import Mapping, Sequence

from nbformat import NotebookNode

from helpers.course.grade import values
from helpers.course.grade.code import parse
from helpers.course.grade.slicing import TELL, loaded, needed
from helpers.course.sources import role

_VALUES = f'__import__("{values.__name__}", fromlist="_")'
# The tolerances of a comparison, and what they are where a check names none.
_LIMITS = {
    "close": {"rtol": 1e-6, "atol": 1e-9},
    "show": {"digits": 4},
    "true": {"digits": 4},
}


def functions(cells: Sequence[NotebookNode]) -> dict[str, ast.FunctionDef]:
    """The functions that given cells define at top level, by name."""
    trees = [parse(c.source) for c in cells if c.cell_type == "code" and not role(c)]
    nodes = [node for tree in trees if tree for node in tree.body]
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def oracles(cells: Sequence[NotebookNode]) -> list[str]:
    """The given functions that only what checks expect makes use of.

    Not those that an answer or a right answer uses, or that the text names: another
    student's answer may use them too.

    Args:
        cells: of a solution.
    """
    given = functions(cells)
    checks = [cell.source for cell in cells if role(cell) == "check"]
    told = [made for source in checks if (made := blind(source, given))]
    answers = [cell.source for cell in cells if role(cell) in ("answer", "right")]
    prose = [c.source for c in cells if not role(c) and not functions([c])]
    words = set(re.findall(r"\w+", "\n".join([*told, *answers, *prose])))
    wanted = set(re.findall(r"\w+", "\n".join(checks)))
    return sorted(_reach(wanted, given) - _reach(words, given))


def _reach(names: set[str], given: Mapping[str, ast.FunctionDef]) -> set[str]:
    """Those of the given functions that are named, and what they call."""
    found: set[str] = set()
    new = names & given.keys()
    while new:
        found |= new
        new = {n for name in new for n in loaded(given[name])} & given.keys() - found
    return found


def blind(
    source: str,
    given: Mapping[str, ast.FunctionDef] | None = None,
    away: Sequence[str] = (),
) -> str | None:
    r"""A check without its expected values; None where nothing would be left to tell.

    Args:
        source: of the check.
        given: functions of given cells. What a check hands its `c` to is treated alike.
        away: names that are taken out of the namespace while the copy runs.

    >>> source = 'with check("Two") as c:\n    want = 2\n    c.equal("n", f(), want)'
    >>> print(blind(source).replace(_VALUES, "values"))
    with values.untouched():
        with check('Two') as c:
            values.tell('n', f())
    """
    tree = parse(source)
    if tree is None:
        return None
    checkers = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
    }
    rewrite = _Rewrite(checkers, given or {})
    tree = rewrite.visit(tree)
    if not rewrite.told:
        return None
    tree.body = needed(tree.body)
    tree.body = [*rewrite.functions.values(), *tree.body]
    body = textwrap.indent(ast.unparse(ast.fix_missing_locations(tree)), "    ")
    arguments = f"globals(), {list(away)}" if away else ""
    text = f"with {_VALUES}.untouched({arguments}):\n{body}"
    return text.replace(repr(TELL), f"{_VALUES}.tell")


class _Rewrite(ast.NodeTransformer):
    """Turns comparisons into calls of `tell`.

    Args:
        checkers: the names of the objects that compare.
        given: functions that such an object may be handed to.
    """

    def __init__(self, checkers: set[str], given: Mapping[str, ast.FunctionDef]):
        self.told = 0
        self.functions: dict[str, ast.FunctionDef] = {}
        self._checkers = checkers
        self._given = given

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(ast.Name(owner), method) if owner in self._checkers:
                return self._tell(node, method)
            case ast.Name(name) if name in self._given:
                return self._hand_over(node, name)
        return node

    def _tell(self, node: ast.Call, method: str) -> ast.AST:
        names = {
            "equal": ("name", "got"),
            "close": ("name", "got"),
            "shape": ("name", "got"),
            "show": ("name", "value"),
            "true": ("name", "condition", "value"),
        }.get(method)
        if names is None:
            return node
        given = {k.arg: k.value for k in node.keywords}
        given |= dict(zip(names, node.args, strict=False))
        if any(name not in given for name in names):
            return node
        self.told += 1
        told = [given[name] for name in names if name != "condition"]
        limits = _LIMITS.get(method, {}).items()
        keywords = [ast.keyword(k, given.get(k, ast.Constant(v))) for k, v in limits]
        return ast.Call(ast.Constant(TELL), told, keywords)

    def _hand_over(self, node: ast.Call, name: str) -> ast.AST:
        """A call of a given function, which gets what it needs to tell values."""
        function = self._given[name]
        parameters = [a.arg for a in (*function.args.args, *function.args.kwonlyargs)]
        handed = dict(zip(parameters, node.args, strict=False))
        handed |= {k.arg: k.value for k in node.keywords}
        # Neither starred arguments nor those of a starred parameter have a name.
        starred = any(isinstance(value, ast.Starred) for value in node.args)
        starred |= len(handed) < len(node.args) + len(node.keywords)
        checkers = {
            parameter
            for parameter, value in handed.items()
            if isinstance(value, ast.Name) and value.id in self._checkers
        }
        if not checkers or starred or not handed.keys() <= set(parameters):
            return node
        inner = _Rewrite(checkers, self._given)
        function = inner.visit(copy.deepcopy(function))
        function.body = needed(function.body)
        self.told += inner.told
        function.name = f"{name}{TELL}"
        self.functions |= {**inner.functions, name: function}
        used = set(loaded(function))
        keywords = [
            ast.keyword(parameter, value if parameter in used else ast.Constant(None))
            for parameter, value in handed.items()
        ]
        return ast.Call(ast.Name(function.name, ast.Load()), [], keywords)
