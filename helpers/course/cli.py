"""The `course` command."""

import sys
from typing import Annotated

import typer

from helpers.course import build as builder
from helpers.course.grade.command import grade
from helpers.course.release import release
from helpers.course.self_check import check
from helpers.course.sources import SourceError

app = typer.Typer(
    help="Build notebooks, hand out exercises, check and grade answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (check, grade, release):
    app.command()(command)


@app.callback()
def main() -> None:
    """Build notebooks, hand out exercises, check and grade answers."""


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which ones: 03, 03_word2vec or a path.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Notebooks that run at once.")] = 2,
    force: Annotated[
        bool, typer.Option(help="Run even if no code changed (after editing helpers).")
    ] = False,
) -> None:
    """Build notebooks and exercises from the sources that changed."""
    try:
        sources = builder.find_sources(names=names or ())
        for built in builder.build(sources, workers=workers, force=force):
            name = f"{built.source.parent.name}/{built.source.stem}"
            how = "ran" if built.ran else "did not run"
            what = ", ".join(f"{p.parent.name}/{p.name}" for p in built.written)
            print(f"{name}: {how} in {built.seconds:.0f} s; wrote {what or 'nothing'}")
    except SourceError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
