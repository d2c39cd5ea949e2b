"""The environment is described in four places; they must say the same."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


def pyproject_requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = project["dependencies"] + project["optional-dependencies"]["test"]
    return {Requirement(r).name: Requirement(r) for r in every}


def test_conda_environment_is_that_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = environment["dependencies"]
    by_pip = next(d["pip"] for d in conda if isinstance(d, dict))
    lines = [d for d in conda if isinstance(d, str) and d != "pip"]
    lines += [line for line in by_pip if not line.startswith("-")]
    described = {Requirement(line).name: Requirement(line) for line in lines}
    python = described.pop("python")
    assert {n: r.specifier for n, r in described.items()} == {
        n: r.specifier for n, r in pyproject_requirements().items()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(python.specifier) == project["requires-python"]
    assert "-e ." in by_pip


def test_lock_holds_every_requirement_at_a_version_it_allows():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.lower().split("==") for line in lines)
    for name, requirement in pyproject_requirements().items():
        assert requirement.specifier.contains(locked[name.lower()]), name


def test_torch_is_pinned_and_comes_by_pip():
    assert str(pyproject_requirements()["torch"].specifier) == "==2.13.0"


def test_ci_runs_the_command_of_the_readme():
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("\nmake test")
    assert "make test" in (ROOT / "README.md").read_text()


def test_lock_installs_on_the_oldest_python_that_we_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    allowed = {one.name: one.metadata.get("Requires-Python") for one in distributions()}
    too_new = {
        name: versions
        for name, versions in allowed.items()
        if versions and not SpecifierSet(versions).contains(oldest)
    }
    assert too_new == {}
