"""Reading what students hand in."""

import io
import json
import zipfile

import nbformat
import pytest

from helpers.course.grade.read import Unreadable, read

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


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"],
)
def test_encodings_give_the_same_cells(encoding):
    cells, notes = read(TEXT.encode(encoding))
    assert [cell.source for cell in cells] == ["# Zürich", SOURCE]
    assert [cell.is_code for cell in cells] == [False, True]
    assert cells[1].id == "answer-greet"
    assert cells[1].metadata == {"answer": "greet"}
    assert cells[1].printed == "ä\n"
    assert bool(notes) == (encoding == "latin-1")


def test_nbformat_3_is_read():
    code = {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python"}
    output = {"output_type": "stream", "stream": "stdout", "text": ["1\n"]}
    sheet = {"cells": [{"cell_type": "heading", "source": "Hi"}, code]}
    code["outputs"] = [output]
    book = {"nbformat": 3, "worksheets": [sheet], "metadata": {}}
    cells, _ = read(json.dumps(book).encode())
    assert [cell.source for cell in cells] == ["Hi", "x = 1\ny = 2"]
    assert cells[1].printed == "1\n"


def test_formats_of_the_future_are_read():
    book = json.loads(TEXT) | {"nbformat": 7, "nbformat_minor": 3, "signature": {}}
    book["cells"][1] |= {"attachments": [], "runtime": {"id": 3}}
    book["cells"].append({"cell_type": "diagram", "source": "x", "id": "d"})
    cells, _ = read(json.dumps(book).encode())
    assert [cell.source for cell in cells] == ["# Zürich", SOURCE, "x"]
    assert [cell.is_code for cell in cells] == [False, True, False]


def test_fifty_megabytes_of_outputs_are_read():
    book = nbformat.reads(TEXT, as_version=4)
    image = {"image/png": "iVBOR" * 10_000_000}
    book.cells[1].outputs.append(nbformat.v4.new_output("display_data", data=image))
    cells, notes = read(nbformat.writes(book).encode())
    assert cells[1].source == SOURCE
    assert cells[1].printed == "ä\n"
    assert not notes


def test_long_texts_with_many_commas_are_read():
    printed = "[1, 2, 3], " * 1_000_000 + r'"\", '
    book = nbformat.reads(TEXT, as_version=4)
    book.cells[1].outputs[0].text = printed
    assert read(nbformat.writes(book).encode())[0][1].printed == printed


def test_odd_fields_do_no_harm():
    odd = [
        {"cell_type": "code", "source": None, "metadata": [], "outputs": {}, "id": 7},
        {"cell_type": "code", "source": ["a", 3], "outputs": [1, {"name": ["x"]}]},
        "no cell",
        {},
    ]
    cells, _ = read(json.dumps({"cells": odd}).encode())
    assert [cell.source for cell in cells] == ["", "a", ""]
    assert all(cell.metadata == {} for cell in cells)


def test_sources_can_always_be_written():
    book = {"cells": [{"cell_type": "code", "source": "a\ud800b\x00c\r\nd"}]}
    cells, _ = read(json.dumps(book).encode())
    assert cells[0].source == "a?bc\nd"


def notebook(*sources: str) -> bytes:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": cells}).encode()


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
        (b'{"cells": [' + b"{}," * 6_000_000 + b"{}]}", "more than 5,000,000 values"),
        (notebook(*["1"] * 501), "501 code cells of 501 characters"),
        (notebook("x = 1\n" * 90_000), "1 code cells of 540,000 characters"),
    ],
)
def test_what_is_no_notebook_is_named(data, reason):
    with pytest.raises(Unreadable, match=reason):
        read(data)
