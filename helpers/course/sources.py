"""From one hand-edited text source to notebooks that have not run yet.

A source is a Python file in jupytext's percent format. In a solution, a cell's
header says what part the cell plays:

    # %% answer="pairs"
    # %% check="pairs" part="edges" points=2
    # %% wrong="pairs" why="pairs a word with itself" says="shape (10, 2)"
    # %% right="pairs" why="the same with np.roll"

An answer holds what the student writes between `# BEGIN SOLUTION` and
`# END SOLUTION`. A check between `# BEGIN HIDDEN TESTS` and `# END HIDDEN TESTS`
runs only when the instructor grades. Cells tagged `solution` stay out of the
exercise. Everything else is given.
"""

import hashlib
import re
import textwrap
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

ROLES = ("answer", "check", "wrong", "right")
"""The header keys that give a cell its part; the value is the question's name."""

_HEADER_KEYS = (*ROLES, "part", "points", "why", "says", "tags")
_BEGIN, _END = "# BEGIN SOLUTION", "# END SOLUTION"
_HIDE, _UNHIDE = "# BEGIN HIDDEN TESTS", "# END HIDDEN TESTS"
_SKIPPED = ("skip-execution", "nbval-skip")
_STUB = "raise NotImplementedError"

_KERNEL = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
# With this in the notebook, saving it in JupyterLab writes the source beside it.
_PAIRING = {
    "jupytext": {
        "formats": "ipynb,py:percent",
        "cell_metadata_filter": ",".join((*_HEADER_KEYS, "-all")),
        "notebook_metadata_filter": "-all",
    }
}


class SourceError(ValueError):
    """A source breaks a rule of the course; the message says where and what to do."""


def role(cell: NotebookNode) -> str | None:
    """The part a cell plays: one of `ROLES`, or None for a given cell."""
    return next((key for key in ROLES if key in cell.metadata), None)


def question(cell: NotebookNode) -> str | None:
    """The name of the question a cell belongs to, or None for a given cell."""
    key = role(cell)
    return cell.metadata[key] if key else None


def tags(cell: NotebookNode) -> list[str]:
    """A cell's tags; the empty list where it has none."""
    return list(cell.metadata.get("tags", []))


def is_hidden(cell: NotebookNode) -> bool:
    """Whether a check cell runs only when the instructor grades."""
    return role(cell) == "check" and cell.source.lstrip().startswith(_HIDE)


def read_source(path: Path) -> NotebookNode:
    """The notebook that `path` describes: ids and metadata set, no outputs.

    Args:
        path: a percent-format source in `lectures/` or `solutions/`.

    Returns:
        A valid nbformat 4.5 notebook. Cell ids depend on nothing but the source, so
        that building twice gives the same file.

    Raises:
        SourceError: `path` is no readable Python text.
    """
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not a readable source ({error})") from error
    seen: Counter[str] = Counter()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count  # nbval skips a cell without one
    for cell in notebook.cells:
        cell.metadata = NotebookNode(
            {k: cell.metadata[k] for k in _HEADER_KEYS if k in cell.metadata}
        )
        cell.id = _cell_id(cell, seen)
        if role(cell) in ("wrong", "right"):
            # Running the notebook must not replace the answer by a wrong one.
            cell.metadata["tags"] = sorted({*tags(cell), *_SKIPPED})
        if role(cell) in ("answer", "check"):
            cell.metadata["nbgrader"] = nbgrader_metadata(cell)
    notebook.metadata = NotebookNode(_KERNEL | _PAIRING)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _cell_id(cell: NotebookNode, seen: Counter[str]) -> str:
    """A name for cells with a part to play; a hash of the text for the others."""
    if key := role(cell):
        part = cell.metadata.get("part")
        name = "-".join(filter(None, (key, cell.metadata[key], part)))
    else:
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()
        name = name[:12]
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def nbgrader_metadata(cell: NotebookNode) -> dict:
    """What nbgrader's schema 3 says about an answer or check cell."""
    is_check = role(cell) == "check"
    metadata = {
        "schema_version": 3,
        "grade": is_check,
        "solution": not is_check,
        "locked": is_check,
        "task": False,
        "grade_id": cell.id,
        "cell_type": cell.cell_type,
    }
    if is_check:
        metadata["points"] = cell.metadata.get("points", 0)
    fields = [cell.source, cell.cell_type, str(is_check), str(not is_check)]
    fields += [str(is_check), cell.id]
    if is_check:
        fields.append(str(float(metadata["points"])))
    digest = hashlib.md5(usedforsecurity=False)
    for field in fields:
        digest.update(field.encode())
    return metadata | {"checksum": digest.hexdigest()}


def make_exercise(solution: NotebookNode) -> NotebookNode:
    """The student's notebook: stubs for answers, and the outputs they aim at.

    Args:
        solution: an executed solution notebook.

    Returns:
        A new notebook without answers, wrong answers, hidden checks or cells tagged
        `solution`. A visible check keeps its output, once for the reader and once in
        its metadata, where saving the student's own run cannot replace it.
    """
    cells = []
    for cell in solution.cells:
        part = role(cell)
        if part in ("wrong", "right") or "solution" in tags(cell):
            continue
        cell = nbformat.from_dict(cell)
        if part == "answer":
            cell.source, cell.outputs = stub(cell.source), []
            cell.metadata["deletable"] = False
        elif is_hidden(cell):
            points = cell.metadata.get("points", 0)
            cell.source = (
                "# When your work is graded, a hidden check runs here: your function\n"
                f"# on inputs that you have not seen. Points: {points:g}"
            )
            cell.outputs, cell.execution_count = [], None
        elif part == "check":
            cell.metadata["expected"] = [_without_images(o) for o in cell.outputs]
        if part == "check":
            cell.metadata |= {"deletable": False, "editable": False}
        if part in ("answer", "check"):
            cell.metadata["nbgrader"] = nbgrader_metadata(cell)
        cells.append(cell)
    counted = [cell for cell in cells if cell.get("execution_count")]
    for count, cell in enumerate(counted, start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count
    exercise = nbformat.v4.new_notebook(cells=cells, metadata=NotebookNode(_KERNEL))
    exercise.nbformat_minor = 5
    return exercise


def stub(source: str) -> str:
    """An answer with each solution region replaced by `raise NotImplementedError`.

    >>> print(stub("def f(x):\\n  # BEGIN SOLUTION\\n  return x\\n  # END SOLUTION"))
    def f(x):
      raise NotImplementedError
    """
    region = re.compile(
        rf"^([ \t]*){_BEGIN}[ \t]*$.*?^[ \t]*{_END}[ \t]*$", re.MULTILINE | re.DOTALL
    )
    return region.sub(rf"\1{_STUB}", source)


def solution_region(source: str) -> str:
    """The text of an answer between its markers, dedented; empty without markers."""
    match = re.search(rf"{_BEGIN}[^\n]*\n(.*?)^[ \t]*{_END}", source, re.M | re.S)
    return textwrap.dedent(match.group(1)) if match else ""


def _without_images(output: NotebookNode) -> dict:
    """An output without its pictures, which are never compared."""
    output = nbformat.from_dict(output)
    if "data" in output:
        output["data"] = {
            mime: text
            for mime, text in output["data"].items()
            if not mime.startswith("image/")
        }
    return output
