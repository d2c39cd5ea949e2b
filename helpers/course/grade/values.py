"""What a student's code computed, as text that the grader can compare by itself.

In a check, `c.close(name, got, expected)` holds the expected values, and so does the
process in which the student's code runs. The grader's copy of a check calls `tell`
instead, which knows nothing of them; `same` compares what it printed, elsewhere, with
what it printed for the solution.
"""

import datetime
import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

_MARK = "\x1e"  # starts a record; RFC 7464
_LISTED = 200  # values of an array that are told one by one
_PROJECTIONS = 8


@contextmanager
def untouched(
    namespace: dict[str, Any] | None = None, away: Sequence[str] = ()
) -> Iterator[None]:
    """Leave the global random generators as they were.

    Args:
        namespace: where names are put away until the end.
        away: these names.
    """
    kept = {name: namespace.pop(name) for name in away if name in namespace}
    torch = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()
    try:
        yield
    finally:
        if kept:
            namespace.update(kept)
        random.setstate(states[0])
        np.random.set_state(states[1])
        if torch:
            torch.set_rng_state(states[2])


def tell(
    name: str, got: Any, *, rtol: float = 1e-9, atol: float = 1e-12, digits: int = 0
) -> bool:
    """Print a value in full; of a large array, its projections on random directions.

    Args:
        name: what the value is.
        got: number, text, bytes, date, slice, array, tensor, or a list, tuple, set or
            dict of them. What else there is agrees with nothing, not even with itself.
        rtol: how far another right answer may be off, relative to each value.
        atol: the same, absolute.
        digits: that the check prints; the last two may differ. In place of `rtol` and
            `atol`.

    Returns:
        True, like a comparison that succeeds.
    """
    if digits:
        rtol, atol = 10.0 ** (2 - digits), 1e-9
    print(f"{_MARK}{json.dumps([name, _plain(got), 2 * rtol, 2 * atol])}")
    return True


def same(new: str, old: str, *, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Whether `tell` printed the same values, within the tolerances that `old` names.

    Args:
        new: what a cell printed; anything but records is ignored.
        old: what it printed for the solution.
        rtol: the least relative tolerance, from the cell's tag.
        atol: the least absolute tolerance.
    """
    try:
        pairs = list(zip(_records(new), _records(old), strict=True))
        return bool(pairs) and all(
            name == wanted_name and _close(got, want, max(r, rtol), max(a, atol))
            for (name, got, *_), (wanted_name, want, r, a) in pairs
        )
    except (ValueError, TypeError, RecursionError):
        return False


def _records(text: str) -> Iterator[list]:
    for line in text.split("\n"):  # splitlines() would split at the mark
        if line.startswith(_MARK):
            yield json.loads(line[1:])


def _plain(value: Any) -> Any:
    """The value in lists, texts and floats; equal values become equal."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        items = [[_plain(key), _plain(item)] for key, item in value.items()]
        return {"dict": sorted(items, key=json.dumps)}
    if isinstance(value, set | frozenset):
        return {"set": sorted(map(_plain, value), key=json.dumps)}
    if isinstance(value, bytes | bytearray):
        return {"bytes": value.hex()}
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return {"date": str(value)}
    if isinstance(value, slice):
        return {"slice": [_plain(x) for x in (value.start, value.stop, value.step)]}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        array = np.array(None)
    if array.dtype.kind in "biufc":
        return _numbers(array)
    several = isinstance(value, np.ndarray) and value.ndim > 0
    if several or isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int | Fraction | Decimal):
        return _exactly(value)
    if array.dtype.kind in "mM":
        return {"date": str(array.astype(f"{array.dtype.kind}8[us]"))}
    if isinstance(value, np.ndarray) and value.item() is not value:
        return _plain(value.item())
    return {"object": type(value).__name__}


def _exactly(number: int | Fraction | Decimal) -> Any:
    """A number that an array cannot hold: like a float where it equals one."""
    try:
        if number == float(number):
            return _numbers(np.asarray(float(number)))
        return {"exact": str(Fraction(number))}
    except (OverflowError, ValueError):  # too large for a float; not a number
        return {"exact": str(number)}


def _numbers(array: np.ndarray) -> dict[str, list]:
    flat = np.ravel(array)
    flat = np.r_[flat.real, flat.imag] if array.dtype.kind == "c" else flat
    flat = flat.astype(float)
    if flat.size <= _LISTED:
        return {"shape": list(array.shape), "values": flat.tolist()}
    rng = np.random.default_rng(flat.size)
    finite = np.where(np.isfinite(flat), flat, 0.0)
    told = [rng.normal(size=flat.size) @ finite for _ in range(_PROJECTIONS)]
    odd = int((~np.isfinite(flat)).sum())
    return {
        "shape": list(array.shape),
        "norm": float(np.linalg.norm(finite)),
        "projections": list(map(float, told)),
        "not finite": [odd],
    }


def _close(got: Any, want: Any, rtol: float, atol: float) -> bool:
    if type(got) is not type(want):
        return False
    if isinstance(want, dict) and "projections" in want:
        # Random errors of each value add up like the steps of a random walk.
        slack = rtol * want["norm"] + atol * math.sqrt(math.prod(want["shape"]))
        rtol, atol = 0.0, 5 * slack
    if isinstance(want, float):
        if not math.isfinite(want):
            return got == want or (math.isnan(got) and math.isnan(want))
        return abs(got - want) <= atol + rtol * abs(want)
    if isinstance(want, dict):
        return (
            "object" not in want
            and got.keys() == want.keys()
            and all(_close(got[key], want[key], rtol, atol) for key in want)
        )
    if isinstance(want, list):
        return len(got) == len(want) and all(
            _close(a, b, rtol, atol) for a, b in zip(got, want, strict=True)
        )
    return got == want
