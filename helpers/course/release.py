"""`course release`: what a student gets, and nothing that a student should not get."""

import ast
import re
import sys
import zipfile
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from tqdm import tqdm

from helpers.course.build import ROOT
from helpers.course.grade import GradeError
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.sources import make_exercise
from helpers.datasets import DataError, fetch, loaders
from helpers.datasets.catalog import dataset

_GIVEN = ("pyproject.toml", "requirements.lock", "LICENSE", "datasets/catalog.toml")
_MADE = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold

_README = """\
# {name}

Answer the questions in `{name}.ipynb`. Below each answer stands its check, with the
output that a right answer prints.

Set up once, with Python 3.11 or newer. This needs a network; nothing else does.

```
python3 -m venv .venv
.venv/bin/python -m pip install -c requirements.lock -e .
{fetch}```

Then work, and see what your answers earn so far:

```
.venv/bin/jupyter lab {name}.ipynb
.venv/bin/course check {name}.ipynb
```

On Windows, write `.venv\\Scripts\\` for `.venv/bin/`.

Save the notebook and hand in `{name}.ipynb`, that file alone. Keep the cells and their
order; add cells of your own wherever you like. Some points hang on hidden checks, which
run when your work is graded.
"""


def release(
    exercise: Annotated[
        str, typer.Argument(help="Which one: 03, 03_word2vec or a solution's path.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="A new folder, or a file that ends in .zip."
        ),
    ],
    data: Annotated[
        bool, typer.Option("--data", help="Put the data sets in, for use offline.")
    ] = False,
) -> None:
    """Make the bundle that students get: no answers, hidden checks or wrong answers."""
    try:
        files = bundle(load_exercise(exercise), data=data)
        write_bundle(output, files)
    except (GradeError, DataError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    size = sum(map(len, files.values()))
    print(f"{output}: {len(files)} files, {size / 1e6:.1f} MB before compression")


def bundle(exercise: Exercise, *, data: bool = False) -> dict[str, bytes]:
    """The files that a student gets: path → content.

    Args:
        exercise: what is handed out; its notebook is made anew from the solution.
        data: whether the data sets that it loads are part of it.
    """
    name, sets = exercise.name, datasets_of(exercise)
    command = f".venv/bin/python -m helpers.datasets {' '.join(sets)}\n"
    readme = _README.format(name=name, fetch=command if sets and not data else "")
    notebook = nbformat.writes(make_exercise(exercise.solution))
    files = {"README.md": readme, f"{name}.ipynb": f"{notebook}\n"}
    bundled = {path: text.encode() for path, text in files.items()}
    helpers = (path for path in (ROOT / "helpers").rglob("*") if path.is_file())
    for path in [*(ROOT / given for given in _GIVEN), *helpers]:
        if "__pycache__" not in path.parts:
            bundled[path.relative_to(ROOT).as_posix()] = path.read_bytes()
    if data:
        for one in tqdm(sets, "data sets"):
            folder = fetch(one)
            for path in (path for path in folder.rglob("*") if path.is_file()):
                inside = path.relative_to(folder).as_posix()
                bundled[f"datasets/cache/{one}/{inside}"] = path.read_bytes()
    return dict(sorted(bundled.items()))


def datasets_of(exercise: Exercise) -> list[str]:
    """The data sets that an exercise loads and must fetch, by the loaders it names."""
    tree = ast.parse(Path(loaders.__file__).read_text(encoding="utf-8"))
    fetched = {
        function.name: re.findall(r"fetch\(['\"]([^'\"]+)", ast.unparse(function))
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
    }
    text = "\n".join(cell.source for cell in exercise.cells)
    used = set(re.findall(r"\bload_\w+", text))
    names = {name for loader in used for name in fetched.get(loader, ())}
    carriers = {name: dataset(name).carrier for name in names}
    return sorted(n for n, c in carriers.items() if not c or c.client != "installed")


def write_bundle(output: Path, files: dict[str, bytes]) -> None:
    """Write a bundle as a folder, or as a zip with one folder in it.

    Raises:
        GradeError: something is there already.
    """
    if output.exists():
        raise GradeError(f"{output}: is there already; name a new folder or zip")
    if output.suffix != ".zip":
        for path, content in files.items():
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            (output / path).write_bytes(content)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "x", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(f"{output.stem}/{path}", _MADE)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
