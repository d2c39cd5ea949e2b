"""Which submissions share code that the others, and the instructor, did not write.

An answer becomes its tokens, without comments, docstrings, annotations and texts, and
with one letter for all names that the student chose. Every run of `_RUN` tokens is a
fingerprint (Schleimer, Wilkerson and Aiken 2003, Winnowing; answers are so short that
all are kept). One that stands in the given code, in the solution or in the bank of
right and wrong answers says nothing. One that k students share counts 1/(k - 1): what
many write is how one writes it. Two submissions are as alike as

    weight of what they share / (weight of what either has + _DOUBT),

where `_DOUBT` keeps short answers, which hardly differ, from counting as alike.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from helpers.course.grade.code import bound_names, parse
from helpers.course.grade.exercise import Exercise
from helpers.course.sources import question, role

THRESHOLD = 0.5
"""How alike two submissions must be to be shown. Right answers written independently
reach 0.1, and 0.3 where there is one way to put it; a copy with new names, spacing,
comments, annotations and another order of a few lines stays above 0.65."""

_RUN = 8  # tokens
_DOUBT = 20.0
_READ = 20_000  # characters of an answer
_LINES = 400  # of an answer, side by side with another


class Pair(NamedTuple):
    """Two submissions that are alike."""

    first: str
    second: str
    likeness: float
    """From 0 to 1."""
    questions: dict[str, float]
    """The share of a question's fingerprints that both have, where there are any."""


class Row(NamedTuple):
    """A line of each of two answers, side by side; empty where one has none."""

    left: str
    right: str
    same: bool
    """Whether they differ in names and blanks at most."""


class Known(NamedTuple):
    """What an exercise brings along."""

    names: set[str]
    """Names that answers must define."""
    code: dict[str, list[str]]
    """Code that any answer may hold: question → texts."""


def known(exercise: Exercise) -> Known:
    """The names and the code that students did not come up with by themselves."""
    names, given = set(), []
    code = {name: [] for name in exercise.checks}
    for cell in exercise.solution.cells:
        if cell.cell_type != "code":
            continue
        if role(cell) == "answer":
            names |= bound_names(exercise.released[cell.id])
        if role(cell) in ("answer", "right", "wrong"):
            code[question(cell)].append(cell.source)
        elif role(cell) is None:
            given.append(cell.source)
    return Known(names, {name: [*texts, *given] for name, texts in code.items()})


def similar(
    answers: Mapping[str, Mapping[str, str]],
    given: Known,
    threshold: float = THRESHOLD,
) -> list[Pair]:
    """The pairs of submissions that are alike, the most alike first.

    Args:
        answers: student → question → code.
        given: from `known`.
        threshold: the least likeness of a pair, over all questions or in one.
    """
    students = sorted(answers)
    shared, union, parts = 0.0, 0.0, {}
    for name, texts in given.code.items():
        base = set().union(*(fingerprints(text, given.names) for text in texts))
        found = [
            fingerprints(answers[student].get(name, ""), given.names) - base
            for student in students
        ]
        both = _overlap(found)
        either = both.diagonal()[:, None] + both.diagonal() - both
        parts[name] = both, either
        shared, union = shared + both, union + either
    likeness = np.max(
        [a / (b + _DOUBT) for a, b in [(shared, union), *parts.values()]], axis=0
    )
    pairs = [
        Pair(
            *(students[i], students[j], float(likeness[i, j])),
            {n: float(a[i, j] / b[i, j]) for n, (a, b) in parts.items() if b[i, j]},
        )
        for i, j in zip(*np.nonzero(np.triu(likeness >= threshold, 1)), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair.likeness)


def _overlap(found: Sequence[Collection[tuple[str, ...]]]) -> np.ndarray:
    """The weight of what each two sets share, and of each set on the diagonal."""
    from scipy.sparse import csr_array

    count = Counter(run for runs in found for run in runs)
    column = {run: index for index, run in enumerate(count)}
    columns = [column[run] for runs in found for run in runs]
    rows = np.repeat(np.arange(len(found)), [len(runs) for runs in found])
    weights = 1 / np.maximum(1, np.array(list(count.values()), float) - 1)
    values = np.sqrt(weights)[np.array(columns, int)]
    has = csr_array((values, (rows, columns)), shape=(len(found), len(count)))
    return (has @ has.T).toarray()


def fingerprints(code: str, names: Collection[str]) -> set[tuple[str, ...]]:
    """The runs of tokens in some code.

    Args:
        code: of a student; it need not be valid.
        names: those that the student did not choose.
    """
    tokens, tree = code[:_READ], parse(code[:_READ])
    chosen: set[str] = set()
    if tree is not None:
        # What is nested too deeply, or holds odd f-strings, stays as it is.
        with suppress(RecursionError, ValueError):
            tokens, chosen = ast.unparse(_Bare().visit(tree)), _chosen(tree, names)
    found = ["v" if word in chosen else word for word in _TOKEN.findall(tokens)]
    return {tuple(found[i : i + _RUN]) for i in range(len(found) - _RUN + 1)}


_TOKEN = re.compile(r"\w+|[^\w\s]")


class _Bare(ast.NodeTransformer):
    """Takes away what a copy is often dressed up with."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        is_text = isinstance(node.value, ast.Constant)
        return ast.Pass() if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        bare = ast.Assign([node.target], node.value, lineno=node.lineno)
        return bare if node.value else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _chosen(tree: ast.AST, names: Collection[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found - set(names)


def side_by_side(left: str, right: str, names: Collection[str]) -> list[Row]:
    """Two answers line by line, with lines that say the same beside each other.

    Args:
        left: code of one student.
        right: code of the other.
        names: those that neither chose.
    """
    ours, theirs = (code[:_READ].splitlines()[:_LINES] for code in (left, right))
    plain = [_plain("\n".join(lines), names) for lines in (ours, theirs)]
    rows = []
    for kind, i, j, k, m in SequenceMatcher(None, *plain, False).get_opcodes():
        if kind == "equal":
            pairs = zip(ours[i:j], theirs[k:m], strict=True)
            rows += [Row(a, b, bool(a.strip())) for a, b in pairs]
        else:
            pairs = zip_longest(ours[i:j], theirs[k:m], fillvalue="")
            rows += [Row(a, b, False) for a, b in pairs]
    return rows


def _plain(code: str, names: Collection[str]) -> list[str]:
    """The lines of some code without blanks, comments and chosen names."""
    tree = parse(code)
    chosen = _chosen(tree, names) if tree else ()
    return [
        "".join("v" if t in chosen else t for t in _TOKEN.findall(line.split("#")[0]))
        for line in code.replace('"', "'").splitlines()
    ]
