"""Files that are there whole or not at all."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from helpers.course.grade import GradeError

_FORMULA = ("=", "+", "-", "@")


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


def sweep(folder: Path) -> None:
    """Remove what killed runs of `write_atomically` left in a folder and below it."""
    for left in folder.rglob(".*.tmp"):
        left.unlink(missing_ok=True)


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows as CSV in UTF-8, in one step or not at all."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_atomically(path, buffer.getvalue())


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file in UTF-8, column → text; absent cells are empty.

    Columns are separated by commas, or by semicolons as spreadsheets write them where
    the comma is the decimal sign.

    Raises:
        GradeError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        separator = ";" if head.count(";") > head.count(",") else ","
        lines = io.StringIO(text, newline="")
        rows = list(csv.DictReader(lines, restval="", delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GradeError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    return [{key: cell for key, cell in row.items() if key} for row in rows]


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; one line without control codes.

    Spreadsheets run a cell that begins with =, +, - or @, and what stands there was
    chosen by students: file names, and messages of errors they raise. See
    https://owasp.org/www-community/attacks/CSV_Injection.

    >>> harmless("=HYPERLINK(1)"), harmless("Ann")
    ("'=HYPERLINK(1)", 'Ann')
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    # Full-width signs count as well.
    seen = unicodedata.normalize("NFKC", line).lstrip()
    return f"'{line}" if seen.startswith(_FORMULA) else line
