"""Checks print the student's value, and say in words how a wrong one differs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from IPython.core.error import StdinNotImplementedError

from helpers.course.checks import check, describe

RNG = np.random.default_rng(7)
TABLE = RNG.normal(size=(3, 4))


def said(capsys, method, *args, **keywords) -> str:
    with check("A title") as c:
        getattr(c, method)("value", *args, **keywords)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "got", "expected", "message"),
    [
        ("close", TABLE.T, TABLE, "shape (4, 3), expected (3, 4)"),
        ("close", TABLE[:, :3].T, TABLE[:, :3], "yours is the transpose"),
        ("close", -TABLE, TABLE, "every sign is flipped"),
        ("close", 2.5 * TABLE, TABLE, "yours is 2.5 times as large"),
        ("close", TABLE[::-1], TABLE, "the same values in another order"),
        ("close", TABLE + np.eye(3, 4), TABLE, "3 of 12 values differ, the first at"),
        ("close", np.full(3, np.nan), np.ones(3), "3 values are nan or infinite"),
        ("close", None, TABLE, "does the function end with `return`?"),
        ("close", [[1.0], [1.0, 2.0]], TABLE, "a list, which is not a regular array"),
        ("close", 1.5, 3.0, "1.500, expected 3.000 (yours is 0.5 times as large)"),
        ("close", 1.0, 1.000002, "1.00000000000, expected 1.00000200000"),
        ("close", "text", 3.0, "expected 3.000"),
        ("equal", [1, 2, 4], [1, 2, 3], "the first at [2]: 4, expected 3"),
        ("equal", ["cat", "dog"], ["cat", "cow"], "'dog', expected 'cow'"),
        ("equal", [[1], [2, 3]], [[1], [2, 4]], "at index 1"),
        ("equal", [[1]], [[1], [2, 4]], "1 elements, expected 2"),
        ("equal", {"a": 1}, {"a": 1, "b": 2}, "the key 'b' is missing"),
        ("equal", {"a": 1, "c": 0}, {"a": 1}, "'c' should not be there"),
        ("equal", {"a": [1, 3]}, {"a": [1, 2]}, "at key 'a'"),
        ("equal", "queen", "king", "expected 'king'"),
        ("equal", ("a", 1), "a", "type tuple, expected type str"),
        ("equal", 3, None, "type int, expected type NoneType"),
        ("equal", True, False, "True, expected False"),
        ("shape", TABLE.T, (3, 4), "shape (4, 3), expected (3, 4)"),
        ("shape", {}, (3, 4), "not a regular array"),
        ("dtype", TABLE, "integer", "dtype float64, expected integer values"),
    ],
)
def test_a_wrong_value_is_told_in_words(capsys, method, got, expected, message):
    text = said(capsys, method, got, expected, hint="Look at the axis.")
    assert text.startswith("A title\n  ✗ value: ")
    assert message in text
    assert text.endswith("    → Look at the axis.\n")


@pytest.mark.parametrize(
    ("method", "got", "expected", "shown"),
    [
        ("close", 0.1 + 0.2, 0.3, "0.3000"),
        (
            "close",
            torch.tensor([1.0, 2.0], requires_grad=True),
            [1, 2],
            "[1.000, 2.000]",
        ),
        ("close", [[1.0, 2.0]], np.array([[1.0, 2.0]]), "[[1.000, 2.000]]"),
        ("equal", (3, 4), [3, 4], "[3, 4]"),
        ("equal", np.array(["a", "b"]), ["a", "b"], "['a', 'b']"),
        ("equal", {"a": np.arange(2)}, {"a": [0, 1]}, "{'a': [0, 1]}"),
        ("equal", [[1], [2, 3]], [[1], [2, 3]], "[[1], [2, 3]]"),
        ("equal", None, None, "None"),
        ("shape", TABLE, (3, 4), "shape (3, 4)"),
        ("dtype", np.arange(3), "integer", "integer values"),
    ],
)
def test_a_right_value_is_printed(capsys, method, got, expected, shown):
    assert said(capsys, method, got, expected) == f"A title\n  ✓ value: {shown}\n"


@pytest.mark.parametrize(
    ("got", "ok"), [(1.0 + 1e-7, True), (1.001, False), (1.0 - 1e-3, False)]
)
def test_relative_tolerance(capsys, got, ok):
    assert ("✓" in said(capsys, "close", got, 1.0, rtol=1e-4)) is ok


@pytest.mark.parametrize("method", ["close", "equal"])
@pytest.mark.parametrize("array", [TABLE, np.arange(30).reshape(5, 6), np.float64(3)])
def test_the_same_numbers_print_alike_in_any_form(capsys, method, array):
    forms = (array, array.tolist(), torch.tensor(array), array.astype(float))
    assert len({said(capsys, method, form, array) for form in forms}) == 1


def test_true_prints_the_number_it_rests_on(capsys):
    text = said(capsys, "true", 0.5 > 0.4, 0.5)
    assert text == "A title\n  ✓ value: 0.5000\n"
    assert "✗ value: does not hold\n    yours: 0.3000" in said(
        capsys, "true", False, 0.3
    )


def test_input_is_no_stub(capsys):
    with check("Reads a number"):
        raise StdinNotImplementedError("raw_input was called")
    out = capsys.readouterr().out
    assert "asks for input()" in out
    assert "not answered" not in out


def test_a_stub_is_named_as_such_and_the_next_block_runs(capsys):
    with check("one"):
        raise NotImplementedError
    with check("two") as c:
        c.equal("x", 1, 1)
    out = capsys.readouterr().out
    assert "not answered yet" in out
    assert "two\n  ✓ x: 1\n" in out


def test_an_error_is_told_with_its_kind_and_does_not_escape(capsys):
    with check("one") as c:
        c.close("x", TABLE @ np.ones(7), TABLE)
    assert "✗ your code raised ValueError" in capsys.readouterr().out


@given(arrays(float, st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_describe_answers_any_array_in_one_line(array):
    assert "\n" not in describe(array)


def test_describe_is_stable_where_floats_are_noisy():
    assert describe(1e-17) == describe(-1e-17) == describe(0.0) == describe(-0.0)
    big = RNG.normal(size=(40, 8))
    assert describe(big) == describe(big + 1e-12)
    assert describe(big) != describe(big[::-1])


def test_nan_values_where_nan_is_right(capsys):
    expected = np.array([1.0, np.nan])
    assert "✓" in said(capsys, "close", expected.copy(), expected)
