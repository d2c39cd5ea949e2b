"""`course grade`: what was handed in becomes a gradebook and feedback pages."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from helpers.course.grade import GradeError
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.files import sweep
from helpers.course.grade.lms import Roster, disagreement, make_roster, read_roster
from helpers.course.grade.mark import unread
from helpers.course.grade.outputs import write_outputs
from helpers.course.grade.policy import read_policy
from helpers.course.grade.read import Unreadable
from helpers.course.grade.results import Results, one_per_student
from helpers.course.grade.schedule import USUAL, Limits, mark_here
from helpers.course.grade.score import Graded
from helpers.course.grade.store import Store, digest, version
from helpers.course.grade.submissions import Submission, find_submissions


def grade(
    exercise: Annotated[
        str, typer.Argument(help="Which one: 03, 03_word2vec or a solution's path.")
    ],
    submissions: Annotated[
        Path,
        typer.Argument(
            help="A folder of notebooks, of a folder per student, or the zip that "
            "Moodle or Canvas exports."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where gradebook.csv goes.")
    ],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds a cell may take.")
    ] = 60.0,
    total: Annotated[
        float, typer.Option(min=1, help="Seconds a submission may take.")
    ] = 600.0,
    workers: Annotated[
        int, typer.Option(min=1, help="Submissions that run at once.")
    ] = 2,
    isolation: Annotated[
        str,
        typer.Option(
            help="auto: the strongest that this machine has; require: bubblewrap or "
            "nothing; none."
        ),
    ] = "auto",
    overrides: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of deadlines, penalties and points set by hand "
            "[default: OUTPUT/overrides.csv, if there].",
            show_default=False,
        ),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="Canvas's gradebook or Moodle's grading worksheet, to be filled in."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Grade on a Dask cluster: its scheduler's address, or `local`."
        ),
    ] = None,
    reveal_hidden: Annotated[
        bool,
        typer.Option(
            "--reveal-hidden", help="Feedback pages show the hidden checks, too."
        ),
    ] = False,
) -> None:
    """Grade what was handed in: gradebook, class report, a feedback page per student.

    A run that was stopped goes on where it stopped when you give the command again.
    """
    try:
        results = grade_all(
            load_exercise(exercise),
            submissions,
            output,
            limits=Limits(isolation, timeout, total),
            workers=workers,
            overrides=overrides,
            roster=roster,
            cluster=cluster,
            reveal_hidden=reveal_hidden,
        )
    except GradeError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    full = sum(row.status == "graded" for row in results.submissions)
    students = len(results.submissions)
    print(f"{students} students, {full} graded in full: {output / 'gradebook.csv'}")
    for row in results.submissions:
        if row.status != "graded":
            print(f"  {row.student}: {row.status}; {'; '.join(row.notes)}")


def grade_all(
    exercise: Exercise,
    submissions: Path,
    output: Path,
    *,
    limits: Limits = USUAL,
    workers: int = 2,
    overrides: Path | None = None,
    roster: Path | None = None,
    cluster: str | None = None,
    reveal_hidden: bool = False,
) -> Results:
    """Grade every file that was handed in, and write all that comes of it.

    Each result is kept in `output/store` as it comes. What is there already, of the
    same bytes under the same version of the exercise, is not graded again.

    Args:
        exercise: from `load_exercise`.
        submissions: see `find_submissions`.
        output: the folder to write to; it may exist.
        limits: what a submission may do.
        workers: how many submissions run at once.
        overrides: see `policy`; by default `output/overrides.csv`, if there.
        roster: see `lms`.
        cluster: see `cluster`; None for this machine alone.
        reveal_hidden: whether feedback pages show the hidden checks.

    Raises:
        GradeError: the arguments do not fit, or the solution fails its own checks on
            this machine. Nothing is written then.
    """
    _check_output(output, submissions)
    found = find_submissions(submissions)
    if overrides is None and (output / "overrides.csv").exists():
        overrides = output / "overrides.csv"
    students = {submission.student for submission in found}
    policy = read_policy(overrides, exercise.checks, students)
    rosters = _rosters(found, roster)
    sweep(output)
    edition = version(exercise, **limits._asdict())
    store = Store(output / "store", edition)
    marking = partial(_scheduler(cluster), exercise, limits=limits, workers=workers)
    counted, others = one_per_student(_rows(exercise, found, store, marking))
    submitted = {k: v for one in rosters for k, v in one.submitted.items()}
    results = Results(
        exercise.name,
        edition,
        {name: exercise.possible(name) for name in exercise.checks},
        [policy.apply(row, submitted.get(row.student)) for row in counted],
        others,
    )
    write_outputs(output, exercise, results, rosters, reveal_hidden=reveal_hidden)
    for one in rosters:
        if problem := disagreement(one, results):
            print(problem, file=sys.stderr)
    return results


def _check_output(output: Path, submissions: Path) -> None:
    if output.resolve().is_relative_to(submissions.resolve()):
        raise GradeError(f"{output}: lies in the folder of submissions; choose another")
    if output.exists() and not output.is_dir():
        raise GradeError(f"{output}: is a file; name a folder")


def _rosters(found: list[Submission], path: Path | None) -> list[Roster]:
    if path is None:
        made = [make_roster(lms, found) for lms in ("canvas", "moodle")]
        return [roster for roster in made if roster]
    roster = read_roster(path, found)
    if strangers := sorted({one.student for one in found} - set(roster.students)):
        print(f"not in {path}: {', '.join(strangers)}", file=sys.stderr)
    return [roster]


def _rows(
    exercise: Exercise,
    found: list[Submission],
    store: Store,
    marking: Callable[..., Iterator[tuple[str, Graded]]],
) -> list[Graded]:
    """The result of each file: from the store, or graded now."""
    keys, results = {}, {}
    for submission in found:
        try:
            name = digest(submission.read())
        except Unreadable as error:
            name = submission.file
            results[name] = unread(exercise, str(error))
        else:
            if kept := store.get(name):
                results[name] = kept
        keys[submission] = name
    todo = {name: one for one, name in keys.items() if name not in results}
    if todo:
        every = len(set(keys.values()))
        done = every - len(todo)
        with tqdm(desc="files", total=every, initial=done, unit="file") as bar:
            for name, graded in marking(todo=todo):
                store.put(name, graded)
                results[name] = graded
                bar.update()
    return [_named(results[name], one) for one, name in keys.items()]


def _scheduler(cluster: str | None) -> Callable[..., Iterator[tuple[str, Graded]]]:
    """What grades submissions: `mark_here`, or the same on a cluster."""
    if cluster is None:
        return mark_here
    try:
        from helpers.course.grade.cluster import mark_on_cluster
    except ImportError:
        raise GradeError(
            "--cluster needs dask.distributed: pip install 'distributed>=2025.7'"
        ) from None
    return partial(mark_on_cluster, address=cluster)


def _named(graded: Graded, submission: Submission) -> Graded:
    late = ["late, says Canvas"] if submission.late else []
    return replace(
        graded,
        student=submission.student,
        file=submission.file,
        notes=[*graded.notes, *late],
    )
