"""When two runs of a cell count as equal: nbval's rule, with a tolerance by tag.

Two outputs agree when they carry the same text. Pictures, times and stderr are never
compared. In a cell tagged `rtol=1e-3` or `atol=1e-6`, the text between numbers must be
the same, and the numbers must agree within the tolerance.
"""

import math
import re
from collections.abc import Iterable, Sequence

from nbformat import NotebookNode

_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|inf|nan)(?!\w)"
)
_TOLERANCE = re.compile(r"(rtol|atol)=([0-9.]+(?:e[-+]?[0-9]+)?)")


def tolerance(tags: Iterable[str]) -> dict[str, float]:
    """The tolerances in a cell's tags, as keywords for `agree`.

    >>> tolerance(["hide-input", "rtol=1e-3"])
    {'rtol': 0.001}
    """
    found = (_TOLERANCE.fullmatch(tag) for tag in tags)
    return {match[1]: float(match[2]) for match in found if match}


def same_text(new: str, old: str, *, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Whether two texts agree, numbers within `atol + rtol * |old|`.

    An integer in the old text must be met exactly: counts and shapes have no tolerance.

    >>> same_text("loss 1.001 (3, 4)", "loss 1.000 (3, 4)", rtol=1e-2)
    True
    """
    if new == old:
        return True
    if not (rtol or atol) or _skeleton(new) != _skeleton(old):
        return False
    pairs = zip(_NUMBER.findall(new), _NUMBER.findall(old), strict=True)
    return all(_same_number(a, b, rtol, atol) for a, b in pairs)


def _skeleton(text: str) -> list[str]:
    # Padding moves when a number gains a digit or a sign, so blanks don't count.
    return _NUMBER.sub(" \0 ", text).split()


def _same_number(new: str, old: str, rtol: float, atol: float) -> bool:
    if new == old:
        return True
    if re.fullmatch(r"[-+]?\d+", old):
        return False
    return math.isclose(
        float(new), float(old), rel_tol=0.0, abs_tol=atol + rtol * abs(float(old))
    )


def snap(
    new: Sequence[NotebookNode],
    old: Sequence[NotebookNode],
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> list[NotebookNode]:
    """`new` with each text that agrees with its counterpart in `old` replaced by it.

    What is left differs for a reason, so that an exact comparison of the result with
    `old` is a comparison within the tolerance.
    """
    new = [NotebookNode(output) for output in new]
    if len(new) != len(old):
        return new
    for ours, theirs in zip(new, old, strict=True):
        if "text" in ours and same_text(
            ours.text, theirs.get("text", ""), rtol=rtol, atol=atol
        ):
            ours.text = theirs.get("text", "")
        if "data" in ours and "data" in theirs:
            ours.data = NotebookNode(
                {
                    mime: theirs.data[mime]
                    if mime in theirs.data
                    and isinstance(text, str)
                    and same_text(text, theirs.data[mime], rtol=rtol, atol=atol)
                    else text
                    for mime, text in ours.data.items()
                }
            )
    return new


def agree(
    new: Sequence[NotebookNode],
    old: Sequence[NotebookNode],
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> bool:
    """Whether two lists of outputs say the same to a reader of their text."""
    new, old = _texts(new), _texts(old)
    return len(new) == len(old) and all(
        kind == other and same_text(text, expected, rtol=rtol, atol=atol)
        for (kind, text), (other, expected) in zip(new, old, strict=True)
    )


def _texts(outputs: Sequence[NotebookNode]) -> list[tuple[str, str]]:
    """(kind, text) of all that is compared; a stream's pieces joined into one."""
    stdout = "".join(o.text for o in outputs if o.get("name") == "stdout")
    texts = [("stdout", stdout)] if stdout else []
    for output in outputs:
        if output.output_type == "error":
            texts.append(("error", output.ename))
        for mime, text in output.get("data", {}).items():
            if not mime.startswith("image/"):
                texts.append((mime, str(text)))
    return texts
