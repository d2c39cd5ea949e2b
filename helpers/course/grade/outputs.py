"""Everything that a run leaves behind for people and other programs."""

from collections.abc import Iterable
from pathlib import Path

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.feedback import write_feedback
from helpers.course.grade.gradebook import write_gradebook
from helpers.course.grade.lms import Roster, write_import
from helpers.course.grade.report import write_report
from helpers.course.grade.results import Results, write_results


def write_outputs(
    folder: Path,
    exercise: Exercise,
    results: Results,
    rosters: Iterable[Roster] = (),
    *,
    reveal_hidden: bool = False,
) -> None:
    """Write results.json, the pages, gradebook.csv and files for the LMS.

    Args:
        folder: where they go; made if need be.
        exercise: what was graded.
        results: what became of it, overrides applied.
        rosters: of Canvas or Moodle, to be filled in.
        reveal_hidden: whether feedback pages show the hidden checks.
    """
    write_results(folder / "results.json", results)
    write_feedback(
        folder / "feedback", exercise, results.submissions, reveal_hidden=reveal_hidden
    )
    write_report(folder / "report.html", exercise, results)
    write_gradebook(folder / "gradebook.csv", results)
    for roster in rosters:
        write_import(folder, roster, results)
