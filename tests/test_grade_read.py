"""Reading what students hand in, and finding all of it."""

import io
import json
import os
import zipfile

import nbformat
import pytest

from helpers.course.grade import GradeError
from helpers.course.grade.read import MAX_BYTES, Unreadable, read
from helpers.course.grade.submissions import find_submissions

SOURCE = "grüße = 'ä'\nprint(grüße)"
BOOK = nbformat.v4.new_notebook(
    cells=[
        nbformat.v4.new_markdown_cell("# Zürich"),
        nbformat.v4.new_code_cell(
            SOURCE,
            id="answer-greet",
            metadata={"answer": "greet"},
            outputs=[nbformat.v4.new_output("stream", name="stdout", text="ä\n")],
        ),
    ]
)
TEXT = nbformat.writes(BOOK)


def read_bytes(tmp_path, data: bytes):
    path = tmp_path / "ann.ipynb"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"],
)
def test_encodings_give_the_same_cells(tmp_path, encoding):
    cells, notes = read_bytes(tmp_path, TEXT.encode(encoding))
    assert [cell.source for cell in cells] == ["# Zürich", SOURCE]
    assert [cell.is_code for cell in cells] == [False, True]
    assert cells[1].id == "answer-greet"
    assert cells[1].metadata == {"answer": "greet"}
    assert cells[1].printed == "ä\n"
    assert bool(notes) == (encoding == "latin-1")


def test_nbformat_3_is_read(tmp_path):
    code = {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python"}
    output = {"output_type": "stream", "stream": "stdout", "text": ["1\n"]}
    sheet = {"cells": [{"cell_type": "heading", "source": "Hi"}, code]}
    code["outputs"] = [output]
    book = {"nbformat": 3, "worksheets": [sheet], "metadata": {}}
    cells, _ = read_bytes(tmp_path, json.dumps(book).encode())
    assert [cell.source for cell in cells] == ["Hi", "x = 1\ny = 2"]
    assert cells[1].printed == "1\n"


def test_odd_fields_do_no_harm(tmp_path):
    odd = [
        {"cell_type": "code", "source": None, "metadata": [], "outputs": {}, "id": 7},
        {"cell_type": "code", "source": ["a", 3], "outputs": [1, {"name": ["x"]}]},
        "no cell",
        {},
    ]
    cells, _ = read_bytes(tmp_path, json.dumps({"cells": odd}).encode())
    assert [cell.source for cell in cells] == ["", "a", ""]
    assert all(cell.metadata == {} for cell in cells)


def test_sources_can_always_be_written(tmp_path):
    book = {"cells": [{"cell_type": "code", "source": "a\ud800b\x00c\r\nd"}]}
    cells, _ = read_bytes(tmp_path, json.dumps(book).encode())
    assert cells[0].source == "a?bc\nd"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ann.ipynb", TEXT)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\0\0", "empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (zipped(), "zip archive"),
        (b"[1, 2]", "a JSON list"),
        (b'"text"', "a JSON str"),
        (b'{"nbformat": 4}', "without cells"),
        (b'{"cells": 3}', "without cells"),
        (TEXT[: len(TEXT) // 2].encode(), "cut off"),
        (TEXT.replace(",", "", 1).encode(), "broken JSON"),
        (b"<<<<<<< HEAD\n" + TEXT.encode(), "git conflict"),
        (TEXT.replace("{", "{\n<<<<<<< HEAD\n", 1).encode(), "git conflict"),
        (b'{"cells": ' + b"[" * 200_000, "nested too deeply"),
        (b"%PDF-1.7 ...", "not a notebook"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a notebook"),
        (b'{"cells": [], "n": ' + b"9" * 5000 + b"}", "broken JSON"),
    ],
)
def test_what_is_no_notebook_is_named(tmp_path, data, reason):
    with pytest.raises(Unreadable, match=reason):
        read_bytes(tmp_path, data)


def test_only_regular_files_of_bounded_size_are_opened(tmp_path):
    target = tmp_path / "secret.ipynb"
    target.write_text(TEXT)
    link = tmp_path / "link.ipynb"
    link.symlink_to(target)
    with pytest.raises(Unreadable, match="not a regular file"):
        read(link)
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    with pytest.raises(Unreadable, match="not a regular file"):
        read(pipe)  # opening it would wait for ever
    huge = tmp_path / "huge.ipynb"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(Unreadable, match="clear its outputs"):
        read(huge)


def test_every_file_is_found_and_litter_is_not(tmp_path):
    for name in [
        "ben.ipynb",
        "ann.ipynb",
        "ann.txt",
        "cat/homework.ipynb",
        "cat/notes/plan.md",
        ".DS_Store",
        "cat/.ipynb_checkpoints/homework-checkpoint.ipynb",
        "__MACOSX/ben.ipynb",
        "Thumbs.db",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "dangling.ipynb").symlink_to(tmp_path / "nowhere")
    found = find_submissions(tmp_path)
    assert [(s.student, s.file) for s in found] == [
        ("ann", "ann.ipynb"),
        ("ann", "ann.txt"),
        ("ben", "ben.ipynb"),
        ("cat", "cat/homework.ipynb"),
        ("cat", "cat/notes/plan.md"),
        ("dangling", "dangling.ipynb"),
    ]


def test_a_name_that_is_not_utf8_is_printable(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"zo\xeb.ipynb")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (found,) = find_submissions(tmp_path)
    assert found.student == "zo\ufffd"


def test_no_folder_and_no_files_are_told(tmp_path):
    with pytest.raises(GradeError, match="not a folder"):
        find_submissions(tmp_path / "missing")
    with pytest.raises(GradeError, match="holds no files"):
        find_submissions(tmp_path)
