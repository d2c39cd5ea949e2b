"""Files that Canvas and Moodle import.

Canvas takes its gradebook back as CSV: the columns Student, ID, SIS User ID, SIS Login
ID and Section, then one per assignment; below the head a row "    Points Possible". It
finds a student by ID, else by SIS User ID or SIS Login ID, else by name; an assignment
by the id in brackets, else by its name, else it makes a new one. See
https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807
and `lib/gradebook_importer.rb` of https://github.com/instructure/canvas-lms.

Moodle takes an assignment's grading worksheet back: Identifier ("Participant 123"),
Grade and Last modified (grade) must be there, Feedback comments may. See
https://docs.moodle.org/en/Using_Assignment and
`mod/assign/feedback/offline/importgradeslib.php` of https://github.com/moodle/moodle.

Both work best from the LMS's own file, the roster: it comes back with grades filled in
and all else as it was. Without one, students are known by the ids in the names of the
files that the LMS exported.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from helpers.course.grade import GradeError
from helpers.course.grade.files import harmless, read_table, write_csv
from helpers.course.grade.results import Results
from helpers.course.grade.score import Graded
from helpers.course.grade.submissions import Submission

_POSSIBLE = "Points Possible"
_COMMENTS = "Feedback comments"


@dataclass(frozen=True)
class Roster:
    """A class as an LMS lists it, and which of its rows is which student's."""

    lms: str
    """"canvas" or "moodle"."""
    columns: list[str]
    rows: list[dict[str, str]]
    students: dict[str, int]
    """The place in `rows` of each student who can be told for sure."""

    @property
    def submitted(self) -> dict[str, datetime]:
        """When each student handed in, where Moodle's worksheet says so in English."""
        times = {}
        for student, place in self.students.items():
            with suppress(ValueError):
                text = self.rows[place].get("Last modified (submission)", "")
                times[student] = datetime.strptime(text, "%A, %d %B %Y, %I:%M %p")
        return times


def read_roster(path: Path, submissions: Sequence[Submission]) -> Roster:
    """The gradebook that Canvas exports, or the grading worksheet that Moodle does.

    A student is known by the LMS's id, else by a name, login or address of which the
    roster has but one. A row that two students claim is neither's.

    Raises:
        GradeError: it is neither.
    """
    rows = read_table(path)
    columns = list(rows[0]) if rows else []
    if {"Student", "ID", "Section"} <= set(columns):
        return Roster("canvas", columns, rows, _find("canvas", rows, submissions))
    if {"Identifier", "Grade", "Last modified (grade)"} <= set(columns):
        return Roster("moodle", columns, rows, _find("moodle", rows, submissions))
    raise GradeError(
        f"{path}: neither Canvas's gradebook (columns Student, ID, Section) nor "
        "Moodle's grading worksheet (Identifier, Grade, Last modified (grade)), in "
        f"English; its columns are {', '.join(columns) or 'none'}"
    )


def make_roster(lms: str, submissions: Sequence[Submission]) -> Roster | None:
    """Those who handed something in, by the names that the LMS gave their files.

    Returns:
        None where `lms` named no file.
    """
    ids = {one.student: one.lms_id for one in submissions if one.lms == lms}
    places = {student: place for place, student in enumerate(ids)}
    if lms == "canvas":
        columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
        rows = [{"Student": harmless(name), "ID": id_} for name, id_ in ids.items()]
    else:
        columns = ["Identifier", "Full name", "Grade", "Last modified (grade)"]
        rows = [
            {
                "Identifier": f"Participant {id_}",
                "Full name": harmless(name),
                "Last modified (grade)": "-",
            }
            for name, id_ in ids.items()
        ]
    return Roster(lms, columns, rows, places) if ids else None


def write_import(folder: Path, roster: Roster, results: Results) -> None:
    """Write `canvas.csv` or `moodle.csv`, which the LMS imports.

    Args:
        folder: where it goes.
        roster: students in it who handed in nothing keep the grade that it says.
        results: what was graded.
    """
    graded = {
        roster.students[row.student]: row
        for row in results.submissions
        if row.student in roster.students
    }
    make = _canvas if roster.lms == "canvas" else _moodle
    write_csv(folder / f"{roster.lms}.csv", make(roster, graded, results))


def disagreement(roster: Roster, results: Results) -> str:
    """How the points of the LMS differ from the exercise's, in words; else empty."""
    if roster.lms == "canvas":
        known = {_possible(roster, _assignment(roster.columns, results.exercise))}
    else:
        known = {row.get("Maximum Grade", "").strip() for row in roster.rows}
    with suppress(ValueError):
        others = {float(text) for text in known if text} - {results.total}
        if others:
            return (
                f"{roster.lms.title()} has {min(others):g} points for this, the "
                f"exercise {results.total:g}; change it there"
            )
    return ""


def _canvas(
    roster: Roster, graded: Mapping[int, Graded], results: Results
) -> list[list[str]]:
    # Section comes last of these, or Canvas refuses the file.
    known = ["Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID"]
    known += ["Root Account", "Section"]
    columns = [column for column in known if column in roster.columns]
    title = _assignment(roster.columns, results.exercise)
    possible = _possible(roster, title) or f"{results.total:g}"
    head = [f"    {_POSSIBLE}", *[""] * (len(columns) - 1), possible]
    table = [[*columns, title], head]
    for place, row in enumerate(roster.rows):
        if row["ID"].strip():  # neither Points Possible nor a posting policy
            own = graded.get(place)
            grade = f"{own.total:g}" if own else row.get(title, "")
            table.append([*(row.get(column, "") for column in columns), grade])
    return table


def _assignment(columns: Sequence[str], exercise: str) -> str:
    """The column of an exercise in Canvas's gradebook, such as `03_word2vec (8711)`."""
    fits = [
        column
        for column in columns
        if _plain(exercise) in _plain(re.sub(r"\(\d+\)$", "", column))
    ]
    return fits[0] if len(fits) == 1 else exercise


def _possible(roster: Roster, title: str) -> str:
    """The points that Canvas has for an assignment, empty if it has no such one."""
    rows = (row for row in roster.rows if _POSSIBLE in row["Student"])
    return next((row.get(title, "").strip() for row in rows), "")


def _moodle(
    roster: Roster, graded: Mapping[int, Graded], results: Results
) -> list[list[str]]:
    columns = list(dict.fromkeys([*roster.columns, _COMMENTS]))
    table = [columns]
    for place, row in enumerate(roster.rows):
        if own := graded.get(place):
            row = row | {"Grade": f"{own.total:g}", _COMMENTS: _comment(own, results)}
        table.append([row.get(column, "") for column in columns])
    return table


def _comment(row: Graded, results: Results) -> str:
    parts = [
        f"{question.name}: {question.points:g} of {question.possible:g} "
        f"({question.verdict})"
        for question in row.questions
    ]
    parts += [change.reason for change in row.adjustments]
    return harmless("; ".join([f"{row.total:g} of {results.total:g} points", *parts]))


def _find(
    lms: str, rows: Sequence[Mapping[str, str]], submissions: Sequence[Submission]
) -> dict[str, int]:
    ids, names = {}, defaultdict(list)
    for place, row in enumerate(rows):
        ids[row.get("Identifier", row.get("ID", "")).rpartition(" ")[2]] = place
        for name in _names(row):
            names[name].append(place)
    found = {}
    for one in submissions:
        fits = names[_plain(one.student)]
        if one.lms == lms and one.lms_id in ids:
            found[one.student] = ids[one.lms_id]
        elif len(fits) == 1:
            found[one.student] = fits[0]
    claims = Counter(found.values())
    return {student: place for student, place in found.items() if claims[place] == 1}


def _names(row: Mapping[str, str]) -> set[str]:
    """All that a student may be called in the name of a file."""
    last, _, first = row.get("Student", "").partition(",")
    names = {f"{first}{last}", f"{last}{first}", row.get("Full name", "")}
    names |= {row.get(c, "") for c in ("SIS User ID", "SIS Login ID", "ID number")}
    for address in (row.get("Email address", ""), row.get("SIS Login ID", "")):
        names |= {address, address.partition("@")[0]}
    return {_plain(name) for name in names} - {""}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name)).casefold()
