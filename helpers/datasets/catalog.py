"""Read datasets/catalog.toml: what there is, from where, and under which licence."""

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CATALOG = Path(__file__).parents[2] / "datasets" / "catalog.toml"


@dataclass(frozen=True)
class Carrier:
    """A published package that data travels in.

    Attributes:
        name: its name in the catalog.
        client: "pip", "npm", or "installed" for a package that the course installs
            anyway.
        package: its name in the registry.
        version: the pinned version; empty for an installed one.
        file: name of the downloaded archive.
        size: of the archive, in bytes.
        sha256: of the archive, in hexadecimal.
    """

    name: str
    client: str
    package: str
    version: str = ""
    file: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Dataset:
    """What one data set is made of.

    Attributes:
        name: its name in the catalog.
        purpose: what the course uses it for.
        licence: under which the data may be used.
        citation: whom to cite.
        carrier: the package it travels in; None if it is built from others.
        members: paths inside the carrier, `fnmatch` patterns allowed.
        sha256: of the file, for a data set that is installed.
        built_from: names of the data sets it is derived from.
    """

    name: str
    purpose: str
    licence: str
    citation: str
    carrier: Carrier | None = None
    members: tuple[str, ...] = ()
    sha256: str = ""
    built_from: tuple[str, ...] = ()


@cache
def datasets() -> dict[str, Dataset]:
    """Return every data set of the catalog by name."""
    table = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    carriers = {name: Carrier(name, **row) for name, row in table["carriers"].items()}
    return {
        name: Dataset(
            name,
            carrier=carriers[row.pop("carrier")] if "carrier" in row else None,
            members=tuple(row.pop("members", ())),
            built_from=tuple(row.pop("built_from", ())),
            **row,
        )
        for name, row in table["datasets"].items()
    }


def dataset(name: str) -> Dataset:
    """Return one data set.

    Raises:
        KeyError: if the catalog has none of that name.
    """
    if name not in datasets():
        raise KeyError(
            f"no data set is called {name!r}; the catalog has: {', '.join(datasets())}"
        )
    return datasets()[name]


def cache_folder() -> Path:
    """Return where data is kept: $COURSE_DATA, else datasets/cache."""
    return Path(os.environ.get("COURSE_DATA") or CATALOG.parent / "cache").absolute()
