"""Files that are there whole or not at all."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_atomically(path: Path, text: str) -> None:
    """Write a text as UTF-8; a run that is killed leaves the old file or the new one.

    Args:
        path: the file; folders above it are made.
        text: its content. Line ends are written as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        "wb", dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
    ) as file:
        file.write(text.encode("utf-8", "replace"))
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows as CSV in UTF-8, in one step or not at all."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_atomically(path, buffer.getvalue())


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; one line without control codes.

    Spreadsheets run a cell that begins with =, +, - or @, and what stands there was
    chosen by students: file names, and messages of errors they raise. See
    https://owasp.org/www-community/attacks/CSV_Injection.

    >>> harmless("=HYPERLINK(1)"), harmless("Ann")
    ("'=HYPERLINK(1)", 'Ann')
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return f"'{line}" if text.lstrip(" ").startswith(_FORMULA) else line
