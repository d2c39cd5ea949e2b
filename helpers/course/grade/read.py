"""Read a submission tolerantly: what editors, browsers and mail make of a notebook."""

import json
import re
from typing import Any, NamedTuple

MAX_BYTES = 100_000_000
"""What one submission may hold; plots and printed arrays rarely reach a tenth."""

# What follows bounds the memory and time that a file can cost the grader itself.
_MANY_VALUES = 5_000_000
_MANY_CELLS = 500
_LONG_CODE = 500_000
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)

_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)


class Unreadable(ValueError):
    """No notebook can be made of a file; the message says why."""


class Cell(NamedTuple):
    """A cell as the student left it."""

    source: str
    is_code: bool
    id: str
    """Empty where the file has no ids (nbformat before 4.5)."""
    metadata: dict[str, Any]
    printed: str
    """What the cell had printed to stdout when it was saved."""


class Reading(NamedTuple):
    """A submission's cells, and what an instructor may want to know of the file."""

    cells: list[Cell]
    notes: list[str]


def read(data: bytes) -> Reading:
    """The cells of a notebook of any nbformat; nothing is validated.

    Takes JSON in UTF-8, UTF-16 or UTF-32 with or without a byte order mark, or Latin-1;
    drops null characters and replaces lone surrogates.

    Raises:
        Unreadable: it holds no notebook.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("the file is empty")
    if data.startswith(b"PK\3\4"):
        raise Unreadable("a zip archive, not a notebook")
    text, notes = _decode(data)
    return Reading(_cells(_parse(text)), notes)


def _decode(data: bytes) -> tuple[str, list[str]]:
    try:
        return data.decode(json.detect_encoding(data)).replace("\0", ""), []
    except UnicodeDecodeError:
        text = data.decode("latin-1").replace("\0", "")
        return text, ["not valid UTF-8: read as Latin-1"]


def _parse(text: str) -> dict[str, Any]:
    if len(text) > _MANY_VALUES and _STRING.sub("", text).count(",") > _MANY_VALUES:
        raise Unreadable(f"more than {_MANY_VALUES:,} values: clear its outputs")
    try:
        notebook = json.loads(text, strict=False)
    except RecursionError:
        raise Unreadable("its JSON is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(_why_no_json(text, error)) from None
    if not isinstance(notebook, dict):
        raise Unreadable(f"a JSON {type(notebook).__name__}, not a notebook")
    return notebook


def _why_no_json(text: str, error: ValueError) -> str:
    if text.lstrip().startswith("<") and not _CONFLICT.match(text):
        return "a web page (HTML or XML), not a notebook: download the .ipynb itself"
    if _CONFLICT.search(text):
        return "holds the markers of an unresolved git conflict"
    if not text.lstrip().startswith("{"):
        return "not a notebook"
    if isinstance(error, json.JSONDecodeError):
        rest = text[error.pos :].strip()
        if not rest or error.msg.startswith("Unterminated string"):
            return "its JSON is cut off: the file is incomplete"
        return f"broken JSON: {error.msg}, line {error.lineno}"
    return "broken JSON"


def _cells(notebook: dict[str, Any]) -> list[Cell]:
    found = notebook.get("cells")
    sheets = notebook.get("worksheets")
    if found is None and isinstance(sheets, list):  # nbformat 2 and 3
        found = [
            cell
            for sheet in sheets
            if isinstance(sheet, dict)
            for cell in _list(sheet.get("cells"))
        ]
    if not isinstance(found, list):
        raise Unreadable("JSON without cells, not a notebook")
    cells = [_cell(cell) for cell in found if isinstance(cell, dict)]
    code = [cell for cell in cells if cell.is_code]
    length = sum(len(cell.source) for cell in code)
    if len(code) > _MANY_CELLS or length > _LONG_CODE:
        raise Unreadable(
            f"{len(code):,} code cells of {length:,} characters in all, more than "
            f"{_MANY_CELLS} cells or {_LONG_CODE:,} characters"
        )
    return cells


def _cell(cell: dict[str, Any]) -> Cell:
    metadata = cell.get("metadata")
    printed = "".join(
        _text(output.get("text"))
        for output in _list(cell.get("outputs"))
        if isinstance(output, dict)
        and "stdout" in (output.get("name"), output.get("stream"))
    )
    return Cell(
        source=_text(cell.get("source", cell.get("input"))),
        is_code=cell.get("cell_type") == "code",
        id=_text(cell.get("id")),
        metadata=metadata if isinstance(metadata, dict) else {},
        printed=printed,
    )


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A multi-line string, in one piece or as a list of lines, that can be encoded."""
    lines = value if isinstance(value, list) else [value]
    text = "".join(line for line in lines if isinstance(line, str))
    text = text.replace("\r\n", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode()
