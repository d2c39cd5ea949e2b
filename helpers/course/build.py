"""Build notebooks from their sources: run what changed, keep what did not."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from helpers.course import lint
from helpers.course.compare import agree, tolerance
from helpers.course.execute import execute
from helpers.course.sources import SourceError, make_exercise, read_source, tags

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("lectures", "solutions")


class Built(NamedTuple):
    """What happened to one source."""

    source: Path
    written: list[Path]
    """The notebooks whose bytes changed; empty when all was up to date."""
    ran: bool
    seconds: float


def find_sources(root: Path = ROOT, names: Sequence[str] = ()) -> list[Path]:
    """The sources of lectures and solutions, all or those that `names` name.

    Args:
        root: a folder that holds `lectures/` and `solutions/`.
        names: stems or prefixes of them (`03_word2vec`, `03`), or paths.

    Raises:
        SourceError: a name fits no source.
    """
    every = [p for f in FOLDERS for p in sorted((root / f).glob("[0-9][0-9]_*.py"))]
    if not names:
        return every
    chosen = []
    for name in names:
        path = Path(name).resolve()
        fits = [p for p in every if p == path.with_suffix(".py")] or [
            p for p in every if p.stem.startswith(name)
        ]
        if not fits:
            known = ", ".join(sorted({p.stem for p in every}))
            raise SourceError(f"no source is called {name!r}; there are: {known}")
        chosen += fits
    return list(dict.fromkeys(chosen))


def build(
    sources: Sequence[Path], *, workers: int = 2, force: bool = False
) -> Iterator[Built]:
    """Build each source, several at a time, with a progress bar on stderr.

    Args:
        sources: from `find_sources`.
        workers: how many notebooks run at once.
        force: run even when no code changed (after a change in `helpers`).

    Yields:
        A `Built` per source, as each finishes.

    Raises:
        SourceError: naming every source that failed, after the others are built.
    """
    failures = []
    with ProcessPoolExecutor(min(workers, max(1, len(sources)))) as pool:
        jobs = {pool.submit(build_one, path, force=force): path for path in sources}
        for job in tqdm(as_completed(jobs), "notebooks", len(jobs), unit="nb"):
            try:
                yield job.result()
            except SourceError as error:
                failures.append(f"{jobs[job]}:\n{error}")
    if failures:
        raise SourceError("\n".join(failures))


def build_one(source: Path, *, force: bool = False) -> Built:
    """Build the notebook beside `source` and, for a solution, its exercise.

    The notebook runs only if a code cell changed since it last ran: edited prose costs
    nothing. A cell that runs and prints what it printed before keeps its stored
    outputs, pictures included, so that building again changes no file.

    Raises:
        SourceError: the source breaks a rule, a cell fails, or the bank of wrong
            answers is judged wrongly; nothing is written then.
    """
    start = perf_counter()
    notebook = read_source(source)
    lint.check_source(notebook)
    path = source.with_suffix(".ipynb")
    stored = nbformat.read(path, as_version=4) if path.exists() else None
    runs = force or stored is None or needs_to_run(notebook, stored)
    if runs:
        lint.check_run(notebook, execute(notebook, source.parent))
    if stored is not None:
        keep_outputs(notebook, stored, unconditionally=not runs)
    written = [
        target
        for target, text in render(notebook, source).items()
        if _write_if_changed(target, text)
    ]
    return Built(source, written, runs, perf_counter() - start)


def render(notebook: NotebookNode, source: Path) -> dict[Path, str]:
    """The files that an executed notebook becomes: path → text.

    Raises:
        SourceError: a notebook is larger than readers on the web are served well with.
    """
    files = {source.with_suffix(".ipynb"): notebook}
    if source.parent.name == "solutions":
        folder = source.parent.parent / "exercises"
        files[folder / f"{source.stem}.ipynb"] = make_exercise(notebook)
    texts = {path: nbformat.writes(book) + "\n" for path, book in files.items()}
    for path, text in texts.items():
        if len(text.encode()) > lint.MAX_BYTES:
            raise SourceError(
                f"{path}: {len(text.encode()):,} bytes, more than "
                f"{lint.MAX_BYTES:,}: draw fewer or smaller pictures"
            )
    return texts


def keep_outputs(
    notebook: NotebookNode, stored: NotebookNode, *, unconditionally: bool = False
) -> None:
    """Give each cell the outputs that are stored for it, where they say the same.

    Pictures are not compared. They are kept as long as no code above them changed.

    Args:
        notebook: the new notebook, changed in place.
        stored: the notebook on disk.
        unconditionally: keep them without a comparison (`notebook` has not run).
    """
    old = {cell.id: cell for cell in stored.cells if cell.cell_type == "code"}
    code_changed = False
    for cell in (c for c in notebook.cells if c.cell_type == "code"):
        before = old.get(cell.id)
        if before is None or cell.source != before.source:
            code_changed = True
        elif unconditionally or (
            _agrees(cell, before) and not (code_changed and _has_picture(cell))
        ):
            cell.outputs = before.outputs


def _agrees(cell: NotebookNode, before: NotebookNode) -> bool:
    return "nbval-ignore-output" in tags(cell) or agree(
        cell.outputs, before.outputs, **tolerance(tags(cell))
    )


def _has_picture(cell: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def needs_to_run(notebook: NotebookNode, stored: NotebookNode) -> bool:
    """Whether the code of a notebook differs from the code whose outputs are stored."""

    def code(book: NotebookNode) -> list[tuple]:
        cells = (cell for cell in book.cells if cell.cell_type == "code")
        return [(cell.id, cell.source, tags(cell)) for cell in cells]

    return code(notebook) != code(stored)


def _write_if_changed(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True
