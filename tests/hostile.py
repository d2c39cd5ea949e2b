"""Submissions that attack the grader, made for the toy exercise.

Each answers `square`, `mean` or both with an attack, and may earn what it answers
honestly. Nothing here leaves the machine: the network attack knocks at a listener that
the test opened, and what is written or killed is the test's own.
"""

from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

SQUARE = "def square(x):\n    return x * x"
MEAN = "def mean(x):\n    return x.mean()"
NOTHING = "def square(x):\n    return None\n"


class Attack(NamedTuple):
    """A hostile submission, and what it may get."""

    square: str = ""
    mean: str = ""
    earns: tuple[float, float] = (0, 0)
    """Points of `square` (of 3) and of `mean` (of 3)."""
    stops: str | None = ""
    """Why the rest did not run, as the verdict of `mean` says; empty if all ran, None
    where that depends on the system."""
    weak: bool = True
    """Whether the weaker isolation holds too, and the attack is safe to try there."""


# They want points for a `square` that computes nothing.
FORGERIES = {
    "drop asserts": Attack(
        """\
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Drop())
"""
        + NOTHING
    ),
    "run no cell": Attack(
        NOTHING
        + """\
from IPython.core.interactiveshell import ExecutionResult
async def run_cell_async(*a, **k):
    return ExecutionResult(None)
get_ipython().run_cell_async = run_cell_async
get_ipython().run_cell = lambda *a, **k: ExecutionResult(None)"""
    ),
    "execute nothing": Attack(
        NOTHING
        + """\
async def do_execute(*a, **k):
    return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
get_ipython().kernel.do_execute = do_execute"""
    ),
    "equal to everything": Attack(
        """\
class Same:
    shape, dtype, size, ndim = (5,), np.dtype(int), 5, 1
    def yes(self, *a, **k): return True
    __eq__ = __le__ = __ge__ = __bool__ = __contains__ = yes
    def __ne__(self, other): return False
    def __getattr__(self, name): return lambda *a, **k: self
    def __sub__(self, other): return 0
    def __array__(self, *a, **k): return np.zeros(5)
    def __repr__(self): return "[9, 16, 25, 36, 49]"
def square(x):
    return Same()"""
    ),
    "array equal to everything": Attack(
        """\
class Same(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.zeros(self.shape, bool) if ufunc is np.not_equal else True
    def __array_function__(self, *a, **k):
        return np.ones(self.shape, bool)
def square(x):
    return np.zeros(x.shape, int).view(Same)"""
    ),
    "print what is expected": Attack(
        NOTHING
        + """\
from helpers.course import checks
def show(self, name, got, expected, **rest):
    print(f"  \\u2713 {name}: {checks.describe(expected)}")
checks.Checker.equal = checks.Checker.close = show""",
    ),
    "compare with yourself": Attack(
        NOTHING
        + """\
from helpers.course import checks
equal, close = checks.Checker.equal, checks.Checker.close
checks.Checker.equal = lambda c, n, got, want, **k: equal(c, n, want, want, **k)
checks.Checker.close = lambda c, n, got, want, **k: close(c, n, want, want, **k)
checks._explain = lambda *a: ''"""
    ),
    "another check": Attack(
        NOTHING
        + """\
from contextlib import contextmanager
LINES = {
    "Squares of five integers": "  \\u2713 squares: [9, 16, 25, 36, 49]",
    "Squares of floats": "  \\u2713 squares: [2.250, 0.64, 0.01, 0.36, 1.69, 4.000]",
}
@contextmanager
def check(title):
    print(title)
    print(LINES[title])
    try:
        yield None
    except Exception:
        pass"""
    ),
    "look at the caller": Attack(
        """\
import inspect, re
def square(x):
    frame = inspect.currentframe().f_back
    for text in inspect.getsource(frame.f_code).splitlines():
        found = re.search(r"square\\((.*?)\\)+, (.*?)(, hint.*)?\\)$", text)
        if found:
            return eval(found[2], frame.f_globals, frame.f_locals)
    return next((v for k, v in frame.f_locals.items() if "want" in k), None)"""
    ),
    "rewrite the messages": Attack(
        NOTHING
        + """\
session = type(get_ipython().kernel.session)
send = session.send
def forge(self, stream, kind, content=None, *a, **k):
    if kind == "stream" and "Squares of five" in str(content):
        content = {"name": "stdout", "text": "Squares of five integers\\n"
                   "  \\u2713 squares: [9, 16, 25, 36, 49]\\n"}
    return send(self, stream, kind, content, *a, **k)
session.send = forge"""
    ),
    "patch json": Attack(
        NOTHING
        + """\
import json
dumps = json.dumps
json.dumps = lambda o, *a, **k: dumps(["squares", None, 1e9, 1e9]) if (
    isinstance(o, list) and o[:1] == ["squares"]) else dumps(o, *a, **k)"""
    ),
    "generous tolerance": Attack(
        NOTHING
        + """\
from helpers.course.grade import values
tell = values.tell
values.tell = lambda name, got, **k: tell(name, np.zeros(5), rtol=1e9, atol=1e9)"""
    ),
    "patch zmq": Attack(
        NOTHING
        + """\
import zmq
zmq.Socket.send_multipart = lambda *a, **k: None""",
        stops=None,
    ),
    "patch numpy": Attack(
        NOTHING
        + """\
np.isclose = lambda a, b, **k: np.ones(np.shape(b), bool)
np.array_equal = np.allclose = lambda *a, **k: True
asarray = np.asarray
np.asarray = lambda a, *r, **k: asarray(np.arange(3, 8) if a is None else a, *r, **k)"""
    ),
    "clear the output": Attack(
        """\
from IPython.display import clear_output, display
def square(x):
    clear_output()
    print("Squares of five integers\\n  \\u2713 squares: [9, 16, 25, 36, 49]")
    handle = display("wrong", display_id=True)
    handle.update("right")
    clear_output()"""
    ),
    "print later": Attack(
        NOTHING
        + """\
import threading, time
def later():
    while True:
        time.sleep(0.005)
        print("Squares of five integers\\n  \\u2713 squares: [9, 16, 25, 36, 49]")
threading.Thread(target=later, daemon=True).start()"""
    ),
    "at exit": Attack(
        NOTHING
        + """\
import atexit
atexit.register(print, "Squares of five integers\\n  \\u2713 squares: [9, 16]")
atexit.register(exit, 0)"""
    ),
    "exit from the check": Attack("def square(x):\n    raise SystemExit(0)"),
    "trace the frames": Attack(
        NOTHING
        + """\
import sys
def trace(frame, event, argument):
    for name, value in list(frame.f_locals.items()):
        if name in ("want", "expected"):
            frame.f_locals["got"] = value
    return trace
sys.settrace(trace)"""
    ),
    "read the history": Attack(
        """\
def square(x):
    shell = get_ipython()
    text = str(shell.user_ns.get("In")) + str(shell.history_manager.input_hist_raw)
    return x * x if "linspace" in text else None"""
    ),
}

# They look for what is hidden. Where they find it, they answer; so nothing is earned.
SEARCHES = {
    "search the memory": Attack(
        mean="""\
import re
found = False
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        span, mode = line.split()[:2]
        first, last = (int(part, 16) for part in span.split("-"))
        if mode.startswith("rw") and last - first < 1 << 27:
            try:
                memory.seek(first)
                text = memory.read(last - first)
                found |= bool(re.search(rb"Mean of ten [n]umbers", text))
            except (OSError, ValueError, OverflowError):
                pass
def mean(x):
    return x.mean() if found else None"""
    ),
    "search the disk": Attack(
        mean="""\
import os, pathlib, helpers
course = pathlib.Path(helpers.__file__).parents[1]
found = [*course.glob("solutions/*"), *course.glob("exercises/*")]
for top in ("/tmp", os.path.expanduser("~"), ".."):
    for folder, _, files in os.walk(top):
        found += [f for f in files if f.endswith(".ipynb")]
def mean(x):
    return x.mean() if found else None""",
        weak=False,
    ),
    "snoop in proc": Attack(
        mean="""\
import glob, os
found = []
for folder in glob.glob("/proc/[0-9]*"):
    if folder != f"/proc/{os.getpid()}":
        for name in ("cmdline", "environ", "mem"):
            try:
                with open(f"{folder}/{name}", "rb") as file:
                    found.append(file.read(10))
            except OSError:
                pass
def mean(x):
    return x.mean() if found else None""",
        weak=False,
    ),
}

# They answer `square`, then do harm: its points stay.
ACCIDENTS = {
    "hang": ("while True: pass", "ran out of time"),
    "hang for good": (
        "import signal, time\n"
        "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_IGN)\n"
        "while True:\n    time.sleep(1)",
        "ran out of time",
    ),
    "sleep in C": ("import ctypes\nctypes.CDLL(None).sleep(100)", "ran out of time"),
    "read from the keyboard": ("import sys\ninput()\nsys.stdin.read()", ""),
    "exit": ("import sys\nsys.exit(0)", ""),
    "exit at once": ("import os\nos._exit(0)", "stopped the kernel"),
    "crash": ("import ctypes\nctypes.string_at(0)", "stopped the kernel"),
    "abort": ("import os\nos.abort()", "stopped the kernel"),
    "kill the group": ("import os\nos.killpg(0, 9)", None),
    "kill the parent": ("import os\nos.getppid() and os.kill(os.getppid(), 9)", None),
    "endless print": ("while True: print('flood ' * 1000)", "printed too much"),
    "endless results": (
        "from IPython.display import display\nwhile True: display('flood' * 1000)",
        "printed too much",
    ),
    "one huge line": ("print('x' * 30_000_000)", "printed too much"),
    "fill the memory": ("x = []\nwhile True: x.append(bytearray(1 << 28))", None),
    "fill the disk": (
        "with open('bomb', 'wb') as file:\n    while True: file.write(bytes(1 << 24))",
        "",
    ),
    "open files": ("x = []\nwhile True: x.append(open('/dev/null'))", None),
    "recurse": (
        "import sys\nsys.setrecursionlimit(10**8)\ndef f(n): return f(n + 1)\nf(0)",
        None,
    ),
    "garbage on the wire": (
        "kernel = get_ipython().kernel\n"
        "for _ in range(20):\n"
        "    kernel.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', b'', b'{', b'['])",
        None,
    ),
}


def attacks(
    *, marker: str, port: int, folder: Path, packages: Path
) -> dict[str, Attack]:
    """Every hostile submission, by name.

    Args:
        marker: stands in the command line of processes that should not survive.
        port: of a listener on loopback that nobody should reach.
        folder: holds a gradebook and others' work that nobody should touch.
        packages: a folder of the interpreter that nobody should write to.
    """
    sleeper = f"'import time; time.sleep(300)  # {marker}'"
    harm = {
        "leave a process": (
            "import os, subprocess, sys\n"
            "for _ in range(3):\n"
            f"    subprocess.Popen([sys.executable, '-c', {sleeper}],\n"
            "        start_new_session=True)\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            f"        os.execv(sys.executable, [sys.executable, '-c', {sleeper}])\n"
            "    os._exit(0)",
            "",
            True,
        ),
        "fork bomb": ("import os\nwhile True: os.fork()", None, False),
        "kill everything": ("import os\nos.kill(-1, 9)", None, False),
        "share memory": (
            "with open('/dev/shm/bomb', 'wb') as file:\n"
            "    while True: file.write(bytes(1 << 24))",
            "",
            False,
        ),
        "knock": (
            f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
            "",
            False,
        ),
        "write the gradebook": (
            f"import pathlib\nfolder = pathlib.Path({str(folder)!r})\n"
            "for path in [folder / 'gradebook.csv', folder / 'ann.ipynb']:\n"
            "    path.write_text('3,3')",
            "",
            False,
        ),
        "read others": (
            f"import os\nos.listdir({str(folder)!r})\nmean = lambda x: x.mean()",
            "",
            False,
        ),
        "write to the packages": (
            f"import pathlib\nfolder = pathlib.Path({str(packages)!r})\n"
            f"(folder / '{marker}.pth').write_text('import antigravity')",
            "",
            False,
        ),
        "write a profile": (
            "import pathlib, IPython\n"
            "folder = pathlib.Path(IPython.paths.get_ipython_dir())\n"
            "folder /= 'profile_default/startup'\n"
            "folder.mkdir(parents=True, exist_ok=True)\n"
            "(folder / '00.py').write_text('square = lambda x: x * x')",
            "",
            True,
        ),
    }
    harm |= {name: (*attack, True) for name, attack in ACCIDENTS.items()}
    found = FORGERIES | SEARCHES
    for name, (code, stops, weak) in harm.items():
        found[name] = Attack(SQUARE, code, (3, 0), stops, weak)
    return found


def hand_in(exercise: NotebookNode, square: str = "", mean: str = "") -> bytes:
    """The exercise with these answers; an empty one stays the stub."""
    book = nbformat.from_dict(exercise)
    for cell in book.cells:
        for name, source in (("square", square), ("mean", mean)):
            if cell.id == f"answer-{name}" and source:
                cell.source = source
    return nbformat.writes(book).encode()
