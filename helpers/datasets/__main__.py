"""Fetch data sets: `python -m helpers.datasets [NAME ...]`, all if none is named."""

import argparse
import sys

from tqdm import tqdm

from .catalog import datasets
from .errors import DataError
from .store import fetch


def main(arguments: list[str] | None = None) -> int:
    """Fetch the named data sets; return 1 after an error, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.datasets", description="Fetch the course's data sets."
    )
    # Checked by hand: argparse would hold an empty list against `choices`.
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    names = parser.parse_args(arguments).names
    if unknown := set(names) - set(datasets()):
        parser.error(
            f"no data set is called {', '.join(sorted(unknown))}; "
            f"there are: {', '.join(datasets())}"
        )
    bar = tqdm(names or list(datasets()), unit=" data sets")
    try:
        for name in bar:
            bar.set_description(name)
            fetch(name)
    except DataError as error:
        bar.close()
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
