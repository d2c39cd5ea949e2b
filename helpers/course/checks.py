"""What a check cell says of a student's results.

A check states what it tests and prints what the student's code computed:

    with check("Softmax of three scores") as c:
        got = softmax(scores)
        c.shape("probabilities", got, (3,))
        c.close("probabilities", got, expected, hint="Do the rows sum to 1?")

What holds prints a line with ✓ and the student's value. What does not prints ✗, how
the value differs and where to look. A check never raises: an error in the student's
code ends that `with` block and is told in words, and the next block runs. Points hang
on the printed values, which nbval compares outside this process.
"""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

_SHOWN = 12  # values of an array or list that are printed in full


@contextmanager
def check(title: str) -> Iterator["Checker"]:
    """Open a check: print its title, and tell in words of an error in its block.

    Args:
        title: what is tested, and on what input; a line of its own in the output.

    Yields:
        The `Checker` whose methods compare and print.
    """
    print(title)
    try:
        yield Checker()
    except NotImplementedError as error:
        if type(error) is NotImplementedError:
            print("  ✗ not answered yet: the stub still raises NotImplementedError")
        else:  # the kernel's own kind of it
            print("  ✗ your code asks for input(), and nobody is there to type")
    except Exception as error:
        print(f"  ✗ your code raised {type(error).__name__}: {error}")
        line = _last_line_in_a_cell(error)
        if line:
            print(f"    at: {line}")


class Checker:
    """Comparisons that print what they saw. Made by `check`."""

    def show(self, name: str, value: Any, *, digits: int = 4) -> None:
        """Print a value without judging it here.

        Args:
            name: what the value is.
            value: number, text, array, tensor, or a list, tuple or dict of them.
            digits: significant digits of a float.
        """
        print(f"  · {name}: {describe(value, digits)}")

    def equal(self, name: str, got: Any, expected: Any, *, hint: str = "") -> bool:
        """Compare exactly: numbers, words, shapes of nested lists, integer arrays.

        Args:
            name: what is compared.
            got: the student's value.
            expected: the right one. Arrays and sequences are compared by element, and
                a list equals a tuple or array with the same elements.
            hint: where to look if they differ; never the answer.

        Returns:
            Whether they are equal.
        """
        problem = _explain(got, expected, 0.0, 0.0)
        return self._report(
            name, got if problem else _like(got, expected), problem, hint
        )

    def close(
        self,
        name: str,
        got: Any,
        expected: Any,
        *,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        digits: int = 4,
        hint: str = "",
    ) -> bool:
        """Compare floats: `|got - expected| <= atol + rtol * |expected|` everywhere.

        Args:
            name: what is compared.
            got: the student's value: a number, array or tensor.
            expected: the right one; `got` must have exactly its shape.
            rtol: relative tolerance.
            atol: absolute tolerance, in the unit of the values.
            digits: significant digits that are printed.
            hint: where to look if they differ; never the answer.

        Returns:
            Whether they agree.
        """
        problem = _explain(got, expected, rtol, atol)
        shown = got if problem else _like(got, _array(expected).astype(float))
        return self._report(name, shown, problem, hint, digits)

    def shape(
        self, name: str, got: Any, expected: tuple[int, ...], *, hint: str = ""
    ) -> bool:
        """Compare the shape of an array or tensor; for its dtype there is `dtype`."""
        array = _array(got)
        if array is None:
            problem = _not_an_array(got)
        elif array.shape != expected:
            problem = f"shape {array.shape}, expected {expected}"
        else:
            problem = ""
        found = "" if array is None else f"shape {array.shape}"
        return self._report(name, _Verbatim(found), problem, hint)

    def dtype(self, name: str, got: Any, kind: str, *, hint: str = "") -> bool:
        """Compare the kind of numbers in an array: "integer", "float" or "bool"."""
        kinds = {"integer": "iu", "float": "f", "bool": "b"}
        array = _array(got)
        if array is None:
            problem = _not_an_array(got)
        elif array.dtype.kind not in kinds[kind]:
            problem = f"dtype {array.dtype}, expected {kind} values"
        else:
            problem = ""
        found = "" if array is None else f"{kind} values"
        return self._report(name, _Verbatim(found), problem, hint)

    def true(
        self,
        name: str,
        condition: bool,
        value: Any,
        *,
        digits: int = 4,
        hint: str = "",
    ) -> bool:
        """Judge a property of the student's result, and print the value it rests on.

        Args:
            name: the property, as a statement ("probabilities sum to one").
            condition: whether it holds.
            value: the student's number or array that shows it.
            digits: significant digits that are printed.
            hint: where to look if it does not hold.
        """
        problem = "" if condition else "does not hold"
        return self._report(name, value, problem, hint, digits)

    def _report(
        self, name: str, got: Any, problem: str, hint: str, digits: int = 4
    ) -> bool:
        if not problem:
            print(f"  ✓ {name}: {describe(got, digits)}")
            return True
        print(f"  ✗ {name}: {problem}")
        if not isinstance(got, _Verbatim):
            print(f"    yours: {describe(got, digits)}")
        if hint:
            print(f"    → {hint}")
        return False


class _Verbatim(str):
    """Text that is printed as it is, without quotes."""


def describe(value: Any, digits: int = 4) -> str:
    """One line that shows a value; a large array by its shape, norm, mean and ends.

    >>> describe(0.123456), describe([1, 2.0, "word"])
    ('0.1235', "[1, 2.000, 'word']")
    """
    if isinstance(value, _Verbatim):
        return str(value)
    if isinstance(value, bool | np.bool_ | int | np.integer | str | None):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, float | np.floating):
        # Noise around zero would print differently on every machine.
        number = 0.0 if abs(value) < 1e-12 else float(value)
        return f"{number:#.{digits}g}"
    if isinstance(value, dict):
        items = [f"{k!r}: {describe(v, digits)}" for k, v in value.items()]
        return "{" + _shorten(items) + "}"
    if isinstance(value, list | tuple):
        left, right = "[]" if isinstance(value, list) else "()"
        return left + _shorten([describe(v, digits) for v in value]) + right
    array = _array(value)
    if array is None:
        return repr(value)
    if array.size <= _SHOWN:
        return describe(array.tolist(), digits)
    ends = [describe(v.item(), digits) for v in array.ravel()[[0, 1, -2, -1]]]
    text = f"shape {array.shape}, from {ends[0]}, {ends[1]} to {ends[2]}, {ends[3]}"
    if array.dtype.kind in "iufb":
        numbers = array.astype(float)
        text += f"; mean {describe(numbers.mean(), digits)}"
        text += f", norm {describe(np.linalg.norm(numbers), digits)}"
    return text


def _shorten(items: Sequence[str]) -> str:
    if len(items) <= _SHOWN:
        return ", ".join(items)
    return ", ".join(items[: _SHOWN - 2]) + f", … {len(items)} in all"


def _array(value: Any) -> np.ndarray | None:
    """The value as a NumPy array, or None where it is no regular array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return None
    return None if array.dtype.kind == "O" else array


def _like(got: Any, expected: Any) -> Any:
    """Equal numbers in the form of the expected ones, so that all print alike."""
    ours, theirs = _array(got), _array(expected)
    if ours is None or theirs is None or theirs.dtype.kind not in "iuf":
        return got
    return ours.astype(theirs.dtype)


def _not_an_array(got: Any) -> str:
    if got is None:
        return "the result is None: does the function end with `return`?"
    return f"a {type(got).__name__}, which is not a regular array of numbers or words"


def _explain(got: Any, expected: Any, rtol: float, atol: float) -> str:
    """How `got` differs from `expected`, in words; empty where it does not."""
    if isinstance(expected, dict | set | str | None):
        return _explain_object(got, expected)
    ours, theirs = _array(got), _array(expected)
    if theirs is None:  # a list of lists of different lengths
        return _explain_object(got, expected)
    if ours is None:
        return _not_an_array(got)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, expected {theirs.shape}"
    if theirs.dtype.kind not in "iufbc" or ours.dtype.kind not in "iufbc":
        return _explain_elements(ours, theirs, ours != theirs)
    if ours.dtype.kind == "f" and not np.isfinite(ours[np.isfinite(theirs)]).all():
        return f"{int((~np.isfinite(ours)).sum())} values are nan or infinite"
    wrong = ~np.isclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    return _explain_elements(ours, theirs, wrong, rtol, atol)


def _explain_object(got: Any, expected: Any) -> str:
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in expected:
            if key not in got:
                return f"the key {key!r} is missing"
            if problem := _explain(got[key], expected[key], 0.0, 0.0):
                return f"at key {key!r}: {problem}"
        extra = [key for key in got if key not in expected]
        return f"the key {extra[0]!r} should not be there" if extra else ""
    if type(got) is not type(expected):
        return f"type {type(got).__name__}, expected type {type(expected).__name__}"
    if isinstance(expected, list | tuple):
        if len(got) != len(expected):
            return f"{len(got)} elements, expected {len(expected)}"
        for index, (a, b) in enumerate(zip(got, expected, strict=True)):
            if problem := _explain(a, b, 0.0, 0.0):
                return f"at index {index}: {problem}"
        return ""
    return "" if got == expected else f"expected {describe(expected)}"


def _explain_elements(
    ours: np.ndarray,
    theirs: np.ndarray,
    wrong: np.ndarray,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> str:
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    text = (
        "" if wrong.ndim == 0 else f"{int(wrong.sum())} of {wrong.size} values differ, "
    )
    text += "" if wrong.ndim == 0 else f"the first at {list(first)}: "
    mine, right = ours[first].item(), theirs[first].item()
    digits = 4 if describe(mine) != describe(right) else 12
    text += f"{describe(mine, digits)}, expected {describe(right, digits)}"
    if pattern := _pattern(ours, theirs, rtol, atol):
        text += f" ({pattern})"
    return text


def _pattern(ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float) -> str:
    """A relation between the whole of both that names a likely slip."""

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        return a.shape == b.shape and np.allclose(a, b, rtol=max(rtol, 1e-6), atol=atol)

    if ours.dtype.kind not in "iuf" or theirs.dtype.kind not in "iuf":
        return ""
    if ours.ndim == 2 and same(ours.T, theirs):
        return "yours is the transpose"
    if same(-ours, theirs):
        return "every sign is flipped"
    if ours.size > 1 and same(np.sort(ours, axis=None), np.sort(theirs, axis=None)):
        return "the same values in another order"
    total = float(np.sum(theirs * theirs))
    ratio = float(np.sum(ours * theirs)) / total if total else 0.0
    if ratio and same(ours, ratio * theirs):
        return f"yours is {ratio:.4g} times as large"
    return ""


def _last_line_in_a_cell(error: Exception) -> str:
    """The line of notebook code in which `error` arose, without the machine's paths."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.line for f in frames if "ipykernel" in f.filename and f.line]
    return lines[-1] if lines else ""
