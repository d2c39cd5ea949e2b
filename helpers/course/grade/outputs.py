"""Everything that a run leaves behind for people and other programs."""

from pathlib import Path

from helpers.course.grade.exercise import Exercise
from helpers.course.grade.feedback import write_feedback
from helpers.course.grade.gradebook import write_gradebook
from helpers.course.grade.results import Results, write_results


def write_outputs(folder: Path, exercise: Exercise, results: Results) -> None:
    """Write results.json, gradebook.csv and the feedback pages.

    Args:
        folder: where they go; made if need be.
        exercise: what was graded.
        results: what became of it, overrides applied.
    """
    write_results(folder / "results.json", results)
    write_feedback(folder / "feedback", exercise, results.submissions)
    write_gradebook(folder / "gradebook.csv", results)
