"""Carry a student's answers into the instructor's notebook.

Given cells, checks and their order are the instructor's. A student's cell is known as
an answer by its metadata, else by its id, else by the names that it defines.
"""

from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from helpers.course.grade.code import (
    additions,
    bound_names,
    continues,
    same_code,
    tidy,
)
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.read import Cell
from helpers.course.sources import is_hidden, question, role

_ALIKE = 0.6  # of an answer that defines no name; unrelated code reaches about 0.3


class Merged(NamedTuple):
    """A notebook to run, and what of it is the student's."""

    notebook: NotebookNode
    """Code cells only. The student's have `question` in their metadata."""
    answers: dict[str, str]
    """The code that ran for each question, helper cells included."""
    unanswered: set[str]
    """Questions without an answer, or with the stub as it was handed out."""
    printed: dict[str, str]
    """What each visible check printed when the student saved: id → text."""
    notes: list[str]


def merge(exercise: Exercise, cells: Sequence[Cell]) -> Merged:
    """Put each of a student's code cells where it belongs in a pristine notebook.

    An answer takes the place of the instructor's; several cells that answer one
    question all run, in order. Any other code of the student's runs after the given
    cell or answer that it followed. A missing answer becomes the stub.

    Args:
        exercise: the exercise that the student answered.
        cells: from `read.read`.

    Returns:
        The merged notebook. It holds the hidden checks and all expected outputs.
    """
    code = [cell for cell in cells if cell.is_code and cell.source.strip()]
    labels, notes = _label(exercise, code)
    slots, printed, more = _place(exercise, code, labels)
    notes += more
    merged = Merged(nbformat.v4.new_notebook(), {}, set(), printed, notes)
    _add(merged, slots[""], "")
    for ours in exercise.cells:
        pieces, name = _rejoin(slots[ours.id]), question(ours)
        if role(ours) != "answer":
            merged.notebook.cells.append(nbformat.from_dict(ours))
            _add(merged, pieces, "")
            continue
        stub = exercise.released[ours.id]
        answers = [piece for piece in pieces if piece.is_answer]
        written = [a for a in answers if not same_code(a.source, stub)]
        if not answers:
            notes.append(f"no answer to {name}")
            pieces.insert(0, _Piece(stub, True))
        if not written:
            merged.unanswered.add(name)
        else:
            # A stub kept beside the answer, as a copy, must not undo it.
            pieces = [p for p in pieces if not p.is_answer or p in written]
        if len(written) > 1:
            notes.append(f"{len(written)} cells answer {name}")
        merged.answers[name] = "\n\n".join(piece.source for piece in pieces)
        _add(merged, pieces, name)
    return merged


class _Piece(NamedTuple):
    """A cell of the student's, or several that were one."""

    source: str
    is_answer: bool


def _rejoin(pieces: Sequence[_Piece]) -> list[_Piece]:
    whole: list[_Piece] = []
    for piece in pieces:
        if whole and continues(whole[-1].source, piece.source):
            source, is_answer = whole.pop()
            piece = _Piece(f"{source}\n{piece.source}", is_answer or piece.is_answer)
        whole.append(piece)
    return whole


def _add(merged: Merged, pieces: Sequence[_Piece], name: str) -> None:
    for piece in pieces:
        count = len(merged.notebook.cells)
        cell = nbformat.v4.new_code_cell(piece.source, id=f"student-{count}")
        cell.metadata["question"] = name
        merged.notebook.cells.append(cell)


def _place(
    exercise: Exercise, code: Sequence[Cell], labels: Sequence[str | None]
) -> tuple[dict[str, list[_Piece]], dict[str, str], list[str]]:
    """Which of the student's cells run after (or as) which of ours, by its id."""
    ours = {cell.id: cell for cell in exercise.cells}
    slots, printed = defaultdict(list), {}
    given = checks = extra = 0
    anchor = ""
    for cell, label in zip(code, labels, strict=True):
        if label is None:
            extra += 1
            slots[anchor].append(_Piece(cell.source, False))
        elif label not in ours:  # wrong answers and the like, in the solution itself
            continue
        elif role(ours[label]) == "answer":
            anchor = label
            slots[anchor].append(_Piece(cell.source, True))
        elif role(ours[label]) == "check":
            anchor = f"answer-{question(ours[label])}"
            checks += _differs(exercise, label, cell)
            if not is_hidden(ours[label]):
                printed[label] = cell.printed
        else:
            anchor = label
            if _differs(exercise, label, cell):
                given += 1
                if added := additions(cell.source, exercise.released[label]):
                    slots[anchor].append(_Piece(added, False))
    notes = []
    if _out_of_order(exercise, labels):
        notes.append("cells in another order: ran in ours")
    if checks:
        notes.append(f"edited checks ({checks}): ours ran")
    if given:
        notes.append(f"edited given cells ({given}): ours ran, then added definitions")
    if extra:
        notes.append(f"extra code cells ({extra}) ran")
    return slots, printed, notes


def _differs(exercise: Exercise, label: str, cell: Cell) -> bool:
    pristine = {exercise.released[label]}
    pristine |= {c.source for c in exercise.cells if c.id == label}
    return tidy(cell.source) not in {tidy(source) for source in pristine}


def _out_of_order(exercise: Exercise, labels: Sequence[str | None]) -> bool:
    place = {cell.id: index for index, cell in enumerate(exercise.cells)}
    places = [place[label] for label in labels if label in place]
    return places != sorted(places)


def _label(
    exercise: Exercise, code: Sequence[Cell]
) -> tuple[list[str | None], list[str]]:
    """The id of our cell that each of the student's stands for; None for their own."""
    by_text = defaultdict(list)
    for id_, source in exercise.released.items():
        if not id_.startswith("answer-"):
            by_text[tidy(source)].append(id_)
    labels = []
    for cell in code:
        label = _label_by_metadata(exercise, cell)
        twins = by_text[tidy(cell.source)]
        if label is None and twins:
            label = twins.pop(0) if len(twins) > 1 else twins[0]
        labels.append(label)
    found = _label_by_names(exercise, code, labels)
    notes = [
        f"answer to {name} found by the names it defines"
        for name in dict.fromkeys(found)
    ]
    return labels, notes


def _label_by_metadata(exercise: Exercise, cell: Cell) -> str | None:
    nbgrader = cell.metadata.get("nbgrader")
    parts = ("check", cell.metadata.get("check"), cell.metadata.get("part"))
    names = [
        nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None,
        f"answer-{cell.metadata.get('answer')}",
        "-".join(part for part in parts if isinstance(part, str)),
        cell.id,
    ]
    known = (n for n in names if isinstance(n, str) and n in exercise.ids)
    return next(known, None)


def _label_by_names(
    exercise: Exercise, code: Sequence[Cell], labels: list[str | None]
) -> list[str]:
    """Label the answers to questions whose names no labelled answer defines."""
    wanted = {
        cell.id: bound_names(exercise.released[cell.id]) or bound_names(cell.source)
        for cell in exercise.cells
        if role(cell) == "answer"
    }
    bound = [bound_names(cell.source) for cell in code]
    missing = [
        answer
        for answer, names in wanted.items()
        if not any(
            label == answer and (not names or names & defined)
            for label, defined in zip(labels, bound, strict=True)
        )
    ]
    found = []
    for index, (cell, label) in enumerate(zip(code, labels, strict=True)):
        if label is not None and (
            label not in wanted or not wanted[label] or wanted[label] & bound[index]
        ):
            continue
        likeness = {
            answer: _likeness(cell.source, exercise.released[answer])
            for answer in missing
            if not wanted[answer] or wanted[answer] & bound[index]
        }
        best = max(likeness, key=likeness.__getitem__, default=None)
        if best and (wanted[best] or likeness[best] > _ALIKE):
            labels[index] = best
            found.append(best.removeprefix("answer-"))
    return found


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one[:4000], other[:4000], autojunk=False).ratio()
