"""Where submissions run: kinds of isolation, limits, what runs once, what is asked."""

import ast
import contextlib
import datetime
import inspect
import io
import os
import random
import shutil
import signal
import textwrap
from decimal import Decimal
from fractions import Fraction

import nbformat
import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from helpers.course.checks import Checker
from helpers.course.grade import GradeError, values
from helpers.course.grade.blind import _LIMITS, blind, oracles
from helpers.course.grade.copies import blinded
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.given import independent
from helpers.course.grade.mark import handed_in, mark
from helpers.course.grade.runner import open_runner


def notebook(*cells):
    """Cells of (source, expected stdout), or sources of which nothing is expected."""
    book = nbformat.v4.new_notebook()
    for number, cell in enumerate(cells):
        source, text = (cell, "") if isinstance(cell, str) else cell
        made = new_code_cell(source, id=f"cell-{number}", execution_count=1)
        if text:
            made.outputs = [new_output("stream", name="stdout", text=text)]
        book.cells.append(made)
    return book


def check(name, source):
    cell = new_code_cell(source, id=f"check-{name}")
    cell.metadata |= {"check": name, "points": 1}
    return cell


def answer(name, source):
    cell = new_code_cell(source, id=f"answer-{name}")
    cell.metadata["answer"] = name
    return cell


@pytest.fixture(scope="module", params=["bubblewrap", "process", "none"])
def runner(request):
    """A runner of each kind, with short limits; skips what this machine lacks."""
    wish = {"bubblewrap": "require", "process": "auto", "none": "none"}[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "1")
        if request.param == "process":
            patch.setattr(shutil, "which", lambda name: None)
        try:
            with open_runner(wish, timeout=4, total=4) as opened:
                if opened.isolation != request.param:
                    pytest.skip(f"this machine offers {opened.isolation}")
                yield opened
        except GradeError as error:
            pytest.skip(str(error))


def outcomes(records):
    return [(record.outcome, record.stopped) for record in records]


def test_outputs_are_compared_cell_by_cell(runner):
    book = notebook(("print(6 * 7)", "42\n"), ("print(43)", "42\n"), "1 / 0", "x = 1")
    records = runner.run(book)
    assert outcomes(records) == [
        ("passed", ""),
        ("failed", ""),
        ("failed", ""),
        ("passed", ""),
    ]
    assert [r.printed for r in records[:2]] == ["42\n", "43\n"]
    assert records[2].error == "ZeroDivisionError"


def test_total_time_is_limited(runner):
    records = runner.run(notebook(*["import time; time.sleep(1.6)"] * 3, "pass"))
    assert outcomes(records) == [
        ("passed", ""),
        ("passed", ""),
        ("failed", "timeout"),
        ("skipped", ""),
    ]


def test_dead_kernel_ends_the_run(runner):
    records = runner.run(notebook("pass", "import os; os._exit(0)", "pass"))
    assert outcomes(records) == [("passed", ""), ("failed", "died"), ("skipped", "")]


def test_environment_is_clean_and_the_folder_empty(runner):
    if runner.isolation == "none":
        pytest.skip("none of that is promised")
    book = notebook(
        ("import os; print(os.listdir(), 'SECRET' in os.environ)", "[] False\n"),
        ("print(os.environ['PYTHONHASHSEED'], os.environ['HOME'] != '/root')", ""),
    )
    records = runner.run(book)
    assert [r.printed for r in records] == ["[] False\n", "0 True\n"]


def test_prepared_cells_are_taken_over():
    plain = "import time\ntime.sleep(0)"
    slow = "stamp = time.perf_counter()\ndef ask(): return told()"
    cells = notebook(plain, slow).cells
    book = notebook(
        "print('stamp' in globals(), 'time' in globals())",
        "def told(): return 'new'",
    )
    book.cells += cells
    for number, cell in enumerate(notebook("print(stamp, ask())").cells):
        cell.id = f"last-{number}"
        book.cells.append(cell)
    for number, cell in enumerate(book.cells[:2]):
        cell.id = f"student-{number}"
    with open_runner("auto", given=cells) as runner:
        if runner.isolation == "none":
            pytest.skip("nothing runs once without a warm parent")
        first, second = runner.run(book), runner.run(book)
    assert first[0].printed == "False False\n"
    assert first[-1].printed.endswith(" new\n")
    assert first[-1].printed == second[-1].printed  # the stamp of one run


def test_kernel_that_dies_while_it_draws_a_bar_blocks_no_other(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)  # bubblewrap has no locks
    given = "from tqdm import tqdm\nbars = [*tqdm([1])]"
    dies = notebook(given, "import os; tqdm.get_lock().acquire(); os._exit(1)")
    draws = notebook(given, ("print([*tqdm([2])])", "[2]\n"))
    with open_runner("auto", timeout=4, given=notebook(given).cells) as runner:
        assert outcomes(runner.run(dies))[-1] == ("failed", "died")
        assert outcomes(runner.run(draws))[-1] == ("passed", "")


def test_changed_given_cell_runs_as_it_is():
    cells = notebook("x = 1").cells
    with open_runner("auto", given=cells) as runner:
        records = runner.run(notebook("x = 2", ("print(x)", "2\n")))
    assert outcomes(records) == [("passed", ""), ("passed", "")]


def test_warm_parent_that_was_killed_is_replaced(monkeypatch):
    if not shutil.which("bwrap"):
        pytest.skip("needs bubblewrap")
    with open_runner("require") as runner:
        parents = psutil.Process().children()
        for process in parents:
            if process.name() == "bwrap":
                process.send_signal(signal.SIGKILL)
        records = runner.run(notebook(("print(1)", "1\n")))
    assert outcomes(records) == [("passed", "")]


def test_nothing_is_left_when_the_runner_closes():
    with open_runner("auto") as runner:
        runner.run(notebook("pass"))
        during = {p for p in psutil.Process().children() if p.name() == "bwrap"}
    assert not [p for p in during if p.is_running() and p.status() != "zombie"]


def test_wishes_that_cannot_be_met_are_refused(monkeypatch):
    with (
        pytest.raises(GradeError, match=r"'firejail'.*auto, require, none"),
        open_runner("firejail"),
    ):
        pass
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with (
        pytest.raises(GradeError, match="bubblewrap is not installed"),
        open_runner("require"),
    ):
        pass


def test_weaker_isolation_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with open_runner("auto") as runner:
        assert runner.isolation in ("process", "none")
    assert "bubblewrap is not installed" in capsys.readouterr().err


def test_given_cells_that_need_answers_are_not_independent():
    sources = {
        "imports": "import numpy as np",
        "data": "x = np.arange(3)\ntotal = sum(v for v in x)",
        "lazy": "def report():\n    return square(x)",
        "uses": "table = [square(v) for v in x]",
        "follows": "print(table)",
        "augments": "rng += 1",
        "rebinds": "rng = np.random.default_rng(0)\nfor i in x:\n    rng.random(i)",
        "magic": "get_ipython().run_line_magic('time', '')",
    }
    cells = {name: new_code_cell(source, id=name) for name, source in sources.items()}
    order = [cells["imports"], cells["data"], cells["lazy"]]
    order += [answer("square", "def square(x):\n    rng = 1\n    return x * x")]
    order += [check("square", "rng = 1\nprint(square(2))")]
    order += [cells[name] for name in list(sources)[3:]]
    found = [cell.id for cell in independent(order)]
    assert found == ["imports", "data", "lazy", "rebinds"]


HANDED_OVER = textwrap.dedent(
    """
    def compare(c, n, want, *, hint=""):
        secret = want + 1
        if n is None:
            return secret
        if c.close("value", f(n), want, rtol=1e-3):
            c.show("twice", 2 * f(n), digits=len(hint))

    def outer(c, n, want):
        compare(c, n, want, hint="six")

    def judge(c, n, want):
        return c.close("value", f(n), want)

    def each(c, *rows):
        for n in rows:
            c.equal("value", f(n), 3)
    """
)
FUNCTIONS = {node.name: node for node in ast.parse(HANDED_OVER).body}


@pytest.mark.parametrize(
    ("source", "kept", "gone"),
    [
        ('c.equal("n", f(2), 4, hint="four")', ["f(2)"], ["4", "four"]),
        ('want = g(2)\n    c.close("n", f(2), want, atol=0.5)', ["0.5"], ["g(2)"]),
        ('c.equal(expected=g(2), got=f(2), name="n")', ["f(2)"], ["g(2)"]),
        (
            'c.dtype("n", f(2), "float")\n    c.show("n", f(2))',
            ["c.dtype('n', f(2), 'float')", "tell('n', f(2)"],
            ["tell('n')"],
        ),
        ('c.true("n", f(2) > 7, f(2))', ["tell('n', f(2)"], ["c.true", "7"]),
        (
            'got, want = f(2), g(2)\n    c.equal("n", got, want)',
            ["got = f(2)"],
            ["g(2)", "want"],
        ),
        (
            "got, want = [], []\n    for n in (1, 2):\n        got.append(f(n))\n"
            "        want.append(g(n))\n        want[0] += 1\n        want += [n]\n"
            '    assert want\n    c.equal("n", got, want)',
            ["got.append(f(n))"],
            ["g(n)", "want"],
        ),
        (
            "def reference(n):\n        return g(n)\n"
            '    c.equal("n", f(2), reference(2))',
            ["f(2)"],
            ["reference", "g("],
        ),
        (
            'for want in g(2):\n        x = f(want)\n    c.equal("n", f(2), x)',
            ["f(2)"],
            ["g(2)", "want"],
        ),
        (
            'for n, w in [(1, 7), (2, 8)]:\n        c.equal("n", f(n), w)',
            ["f(n)"],
            ["7", "8", "w)"],
        ),
        (
            "for n, w in zip((1, 2), g(2), strict=True):\n"
            '        c.equal("n", f(n), w)',
            ["for n, in zip((1, 2), strict=True)"],
            ["g(2)", "w)"],
        ),
        (
            'for a, b in zip((1, 2), g(2)):\n        c.equal("n", f(2), 3)',
            ["zip((1, 2))"],
            ["g(2)", "3"],
        ),
        *(
            (
                f'for n, w in {rows}:\n        c.equal("n", f(n), w)',
                [f"for n, w in {rows}"],
                [],
            )
            for rows in ("zip(*g(2))", "[(*g(2), 7)]")
        ),
        ('a = b = g(2)\n    c.equal("n", f(a), b)', ["a = g(2)"], ["b"]),
        ('*x, want = 1, 2, g(2)\n    c.equal("n", f(x), want)', ["*x, want = "], []),
        (
            'x, want = *f(1), g(2)\n    c.equal("n", f(x), want)',
            ["x, want = (*f(1), g(2))"],
            [],
        ),
        ('*want, _ = g(2)\n    c.equal("n", f(2), want)', ["f(2)"], ["g(2)"]),
        ('want: float = g(2)\n    c.equal("n", f(2), want)', ["f(2)"], ["g(2)"]),
        (
            "want = {1}\n    want.add(g(2))\n    want.update(g(3))\n"
            '    c.equal("n", f(2), want)',
            ["f(2)"],
            ["g("],
        ),
        ('m(1).rate = 3\n    c.equal("n", f(2), 4)', ["m(1).rate = 3"], ["4"]),
        (
            "class Model:\n        def forward(self):\n            return 2\n"
            '    c.equal("n", f(Model()), 4)',
            ["return 2"],
            ["4"],
        ),
        ('plt.plot(g(2))\n    c.equal("n", f(2), 4)', ["f(2)"], ["g(2)", "4"]),
        (
            "axis = []\n    axis.append(f(2))\n    axis.sort()\n"
            '    c.equal("n", axis, [4])',
            ["axis.append(f(2))", "axis.sort()"],
            ["4"],
        ),
        ('rng.shuffle(x)\n    c.equal("n", f(x), g(x))', ["rng.shuffle(x)"], ["g("]),
        ("compare(c, 2, g(2))", ["f(n)", "n=2", "rtol=0.001"], ["g(2)", "secret"]),
        (
            "outer(c, 2, g(2))",
            ["tell('value', f(n)", "(c=None, n=n, want=None, hint='six')", "return\n"],
            ["g(2)", "secret"],
        ),
        ("judge(c, 2, g(2))", ["return __import__", "f(n)"], ["g(2)"]),
        ("ok = judge(c, 2, g(2))", ["judge_told(c=None, n=2, want=None)"], ["g(2)"]),
        ("[judge(c, n, g(n)) for n in (1, 2)]", ["judge_told(c=None, n=n"], ["g("]),
        ('ok = c.equal("n", f(2), 4)', ["tell('n', f(2)"], ["4"]),
        ('assert c.equal("n", f(2), 4)', ["tell('n', f(2)"], ["4"]),
        ('all([c.equal("n", f(n), 3) for n in (1, 2)])', ["tell('n', f(n)"], ["3"]),
        ('[c.equal("n", f(n), 3) for n in (1, 2)]', ["tell('n', f(n)"], ["3"]),
        ('if c.equal("n", f(2), 4):\n        assert x', ["tell('n', f(2)"], ["4"]),
        (
            "try:\n        x = f(-1)\n    except ValueError as error:\n"
            '        c.show("n", str(error))',
            ["x = f(-1)", "tell('n', str(error)"],
            [],
        ),
        (
            "if x is None:\n        assert x\n    else:\n        y = f(2)\n"
            '    c.equal("n", y, 4)',
            ["pass", "y = f(2)"],
            ["4"],
        ),
        (
            "for n in (1, 2):\n        if n == 1:\n            continue\n"
            '        c.equal("n", f(n), 3)',
            ["continue"],
            ["3"],
        ),
        ('torch.equal(a, b)\n    c.show("n", f(2))', ["torch.equal(a, b)"], ["c.show"]),
        (
            'for w in (1, 2):\n        x, y = g(w)\n        c.equal("n", f(x), y)',
            ["x, y"],
            [],
        ),
    ],
)
def test_copy_of_a_check_holds_the_students_side_only(source, kept, gone):
    check = f'with check("A title") as c:\n    {source}'
    copy = blind(check, FUNCTIONS)
    compile(copy, "copy", "exec")
    assert all(text in copy for text in kept), copy
    assert not any(text in copy for text in gone), copy
    assert blind(check, FUNCTIONS) == copy  # the functions are as they were


def test_limits_of_a_copy_are_the_defaults_of_a_check():
    for method, limits in _LIMITS.items():
        parameters = inspect.signature(getattr(Checker, method)).parameters
        assert limits == {name: parameters[name].default for name in limits}
    source = 'with check("A title") as c:\n    c.close("n", x, 3)\n    c.show("m", x)'
    copy = blind(source)
    assert "tell('n', x, rtol=1e-06, atol=1e-09)" in copy
    assert "tell('m', x, digits=4)" in copy


@pytest.mark.parametrize(
    "call",
    [
        *("compare(c, 2, 3, other=1)", "compare(c, *rows)", "compare(c, **row)"),
        *("each(c, 2, 3)", "c.equal(*row)"),
    ],
)
def test_call_whose_arguments_have_no_names_is_not_rewritten(call):
    assert blind(f'with check("A title") as c:\n    {call}', FUNCTIONS) is None


def test_check_that_tells_nothing_has_no_copy():
    assert blind("print(f(2))") is None
    assert blind("this is no Python") is None


LARGE = np.arange(900.0)


def told(capsys, *arguments, **limits) -> str:
    capsys.readouterr()
    values.tell("value", *arguments, **limits)
    return capsys.readouterr().out


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        float,
        hnp.array_shapes(max_dims=3, max_side=5),
        elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf]),
    ),
    st.floats(-3, -1e-3) | st.floats(1e-3, 3),
    st.data(),
)
def test_agreement_is_that_of_allclose_with_twice_the_tolerance(array, power, data):
    rtol, atol = 1e-4, 1e-5
    other, place = array.copy(), data.draw(st.integers(0, array.size - 1))
    if np.isfinite(array.flat[place]):
        other.flat[place] += 2 * (atol + rtol * abs(array.flat[place])) * 10.0**power
    texts = []
    for each in (other, array):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            values.tell("value", each, rtol=rtol, atol=atol)
        texts.append(out.getvalue())
    wanted = np.allclose(other, array, rtol=2 * rtol, atol=2 * atol, equal_nan=True)
    assert values.same(*texts) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3], np.array([1.0, 2.0, 3.0])),
        ((1, 2), torch.tensor([1, 2])),
        (True, 1),
        (np.float32(0.5), 0.5),
        ({"a": 1, "b": [2.0]}, {"b": np.array([2]), "a": 1.0}),
        ({0, 8}, {8.0, 0}),  # two orders, by the hashes of int
        ({8, 0}, {0, 8}),
        ([[1], [2, 3]], [np.array([1]), (2, 3)]),
        (["a", "b"], np.array(["a", "b"])),
        (LARGE, list(range(900))),
        (torch.ones(2, requires_grad=True), [1.0, 1.0]),
        (np.nan, float("nan")),
        (2**80, float(2**80)),
        (Fraction(1, 2), 0.5),
        (Fraction(1, 3), Fraction(2, 6)),
        (Decimal("0.10"), Decimal("0.1")),
        (b"ab", bytearray(b"ab")),
        (np.array("word"), "word"),
        (np.array(2**80, dtype=object), 2**80),
        (np.datetime64("2001-02-03"), np.datetime64("2001-02-03T00:00")),
        (slice(1, None), slice(1.0, None, None)),
    ],
)
def test_the_same_in_another_form_agrees(capsys, one, other):
    assert values.same(told(capsys, one), told(capsys, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3], [1, 3, 2]),
        ([1, 2], [[1, 2]]),
        (LARGE, np.r_[np.arange(898.0), 899, 898]),
        (LARGE, LARGE.reshape(30, 30)),
        (LARGE, np.r_[np.inf, LARGE[1:]]),
        (1 + 2j, 1 + 3j),
        (np.zeros(900), np.full(900, 1e-3)),
        ("1", 1),
        (None, 0),
        ({"a": 1}, {"a": 2}),
        (["a", "b"], ["b", "a"]),
        (object(), 0),
        (1.0, np.inf),
        (None, "None"),
        (2**80, 2**80 + 1),
        (10**400, 10**400 + 1),
        (Fraction(1, 3), Fraction(1, 7)),
        (Decimal("0.1"), Decimal("0.3")),
        (Decimal("nan"), Decimal("inf")),
        (b"ab", b"ac"),
        (np.array("word"), np.array("other")),
        (np.array([b"ab"]), np.array([b"ac"])),
        (np.datetime64("2001-02-03"), np.datetime64("2001-02-04")),
        (np.datetime64("2001-02-03T04"), np.datetime64("2001-02-03T05")),
        (datetime.date(2001, 2, 3), datetime.date(2001, 2, 4)),
        (slice(1, 2), slice(1, 3)),
        ([object()], [object()]),
    ],
)
def test_other_values_do_not_agree(capsys, one, other):
    assert not values.same(told(capsys, one), told(capsys, other))
    assert not values.same(told(capsys, other), told(capsys, one))


def test_tolerances_are_those_of_the_solution(capsys):
    generous = told(capsys, 1.1, rtol=10.0)
    strict = told(capsys, 1.0)
    assert not values.same(generous, strict)
    assert values.same(strict, generous)
    assert values.same(generous, strict, rtol=0.2)
    assert values.same(generous, strict, atol=0.2)


@pytest.mark.parametrize(
    ("got", "want", "agree"),
    [(1.015, 1.0, True), (1.025, 1.0, False), (1.5e-9, 0.0, True), (3e-9, 0.0, False)],
)
def test_the_last_two_digits_may_differ(capsys, got, want, agree):
    texts = [told(capsys, value, digits=4) for value in (got, want)]
    assert values.same(*texts) == agree


@pytest.mark.parametrize("limits", [{"rtol": 1e-4, "atol": 0}, {"rtol": 0, "atol": 1}])
def test_large_arrays_agree_within_the_tolerance(capsys, limits):
    off = limits["rtol"] * LARGE + limits["atol"]
    off *= np.random.default_rng(0).uniform(-1, 1, LARGE.size)
    want = told(capsys, LARGE, **limits)
    assert values.same(told(capsys, LARGE + off), want)
    assert not values.same(told(capsys, LARGE + 100 * off), want)


def test_silence_does_not_agree(capsys):
    one = told(capsys, 1.0)
    assert not values.same("", "")
    assert not values.same("", one)
    assert not values.same(one + one, one)
    assert not values.same('\x1e["value", ', one)
    assert not values.same("\x1e" + "[" * 10**5, one)
    assert not values.same(one.replace("value", "other", 1), one)
    assert not values.same(one.replace("1.0", f"1{'0' * 400}"), one)
    assert values.same(f"debug\n{one}more\n", one)


def test_asking_leaves_the_global_generators_alone():
    for draw in (random.random, np.random.rand, lambda: torch.rand(1).item()):
        with values.untouched():
            first = draw()
        assert draw() == first


def copies(exercise):
    return [cell for cell in exercise.cells if "values" in cell.metadata]


def test_every_check_of_the_toy_is_asked_and_right_answers_pass(toy_course):
    toy = load_exercise(str(toy_course.solution))
    with open_runner("auto") as runner:
        exercise, graded = blinded(toy, runner)
        names = [copy.metadata["values"] for copy in copies(exercise)]
        assert names == ["check-square", "check-square-hidden", "check-mean"]
        assert [q.verdict for q in graded.questions] == ["correct", "correct"]
        assert mark(exercise, handed_in(toy), runner).total == 6


def values_exercise(*checks: str) -> Exercise:
    """A question whose checks are hidden and print what the solution printed."""
    cells = [new_code_cell("from helpers.course.checks import check", id="given")]
    cells += [new_code_cell("def oracle(n):\n    return n + 1", id="oracle")]
    cells += [answer("next", "# BEGIN SOLUTION\ndef f(n):\n    return n + 1\n")]
    cells[-1].source += "# END SOLUTION"
    for number, source in enumerate(checks):
        cell = check("next", "# BEGIN HIDDEN TESTS\nwith check('Next') as c:\n    ")
        cell.source += f"{source}\n# END HIDDEN TESTS"
        cell.id, cell.execution_count = f"check-next-{number}", 1
        text = "Next\n  ✓ n: 3\n"
        cell.outputs = [new_output("stream", name="stdout", text=text)]
        cells.append(cell)
    return Exercise("next", nbformat.v4.new_notebook(cells=cells))


def test_copies_of_hidden_checks_run_before_the_first_of_them(capsys):
    exercise = values_exercise(*['c.equal("n", f(2), oracle(2))'] * 2)
    with open_runner("none") as runner:
        complete, graded = blinded(exercise, runner)
    last = [cell.id for cell in complete.cells][-4:]
    checks = ["check-next-0", "check-next-1"]
    assert last == [f"{name}-values" for name in checks] + checks
    assert graded.total == 2
    assert "forged" not in capsys.readouterr().err


def test_copy_is_compared_like_its_check_and_misses_what_that_expects():
    exercise = values_exercise("compare(c, 2, oracle(2))")
    compare = "def compare(c, n, want):\n    c.equal('n', f(n), want)"
    exercise.solution.cells.insert(1, new_code_cell(compare, id="compare"))
    exercise.solution.cells[-1].metadata["tags"] = ["rtol=1e-2"]
    with open_runner("none") as runner:
        complete, _ = blinded(exercise, runner)
    (copy,) = copies(complete)
    assert copy.metadata["tags"] == ["rtol=1e-2"]
    assert "globals(), ['compare', 'oracle']" in copy.source


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ('c.true("n", True, min)', "<built-in function min>"),
        ('for n in ():\n        c.equal("n", n, 3)\n    print("  ✓ n: 3")', "3"),
    ],
)
def test_check_that_cannot_be_asked_is_named(capsys, source, shown):
    exercise = values_exercise('c.equal("n", f(2), 3)', source)
    exercise.cells[-1].outputs[0].text = f"Next\n  ✓ n: {shown}\n"
    with open_runner("none") as runner:
        complete, _ = blinded(exercise, runner)
    assert "pass check-next-1," in capsys.readouterr().err
    assert [copy.metadata["values"] for copy in copies(complete)] == ["check-next-0"]


@pytest.mark.parametrize(
    ("got", "draws", "kept"),
    [("f(2)", 1, ["check-next-0"]), ("f(2) + 0 * rng.integers(10**6)", 2, [])],
)
def test_copies_that_spoil_a_check_are_left_out(capsys, got, draws, kept):
    """They draw from a generator that the check draws from."""
    exercise = values_exercise(f'c.equal("n", {got}, 3)')
    cells = exercise.solution.cells
    cells[0].source += "\nimport numpy as np"
    cells.insert(1, new_code_cell("rng = np.random.default_rng(0)", id="rng"))
    cells.append(answer("draw", "# BEGIN SOLUTION\npass\n# END SOLUTION"))
    source = "with check('Draw') as c:\n    c.show('n', rng.integers(10**6))"
    cells.append(check("draw", source))
    last = np.random.default_rng(0).integers(10**6, size=draws)[-1]
    cells[-1].outputs = [
        new_output("stream", name="stdout", text=f"Draw\n  · n: {last}\n")
    ]
    cells[-1].execution_count = 1
    with open_runner("none") as runner:
        complete, graded = blinded(exercise, runner)
    assert graded.total == 2
    assert [copy.metadata["values"] for copy in copies(complete)] == kept
    assert "check-draw," in capsys.readouterr().err


def test_functions_that_only_the_expected_side_needs_are_away_meanwhile():
    exercise = values_exercise('c.equal("n", f(2), oracle(2))')
    assert oracles(exercise.cells) == ["oracle"]
    named = new_code_cell("x = [oracle(3)]")
    assert oracles([*exercise.cells, named]) == []
    namespace = {"oracle": len, "f": abs}
    answer_raises = contextlib.suppress(ZeroDivisionError)
    with answer_raises, values.untouched(namespace, ["oracle", "g"]):
        assert namespace == {"f": abs}
        raise ZeroDivisionError
    assert namespace == {"oracle": len, "f": abs}
    copy = blind("with check('Next') as c:\n    c.show('n', f(2))", {}, ["oracle"])
    told = {"f": abs, "check": lambda _: contextlib.nullcontext(), "oracle": len}
    told["f"] = lambda n: told.get("oracle")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(copy, told)
    assert "null" in out.getvalue()


def test_functions_that_anything_else_uses_stay():
    exercise = values_exercise("w = want(2)\n    c.equal('n', f(2), w)")
    given, oracle, solved, asked = exercise.cells
    oracle.source = "def oracle(n):\n    return inner(n) + 1"
    inner = new_code_cell("def inner(n):\n    return n")
    asked.source = f"def want(n):\n    return oracle(n)\n{asked.source}"
    cells = [given, oracle, inner, solved, asked]
    assert oracles(cells) == ["inner", "oracle"]
    right = new_code_cell("def f(n):\n    return inner(n) + 1")
    right.metadata["right"] = "next"
    for other in (
        right,
        answer("next", right.source),
        new_markdown_cell("You may use `inner`."),
        check("next", "with check('Next') as c:\n    c.equal('n', f(inner(2)), 3)"),
    ):
        assert oracles([*cells, other]) == ["oracle"]


def test_workers_of_the_test_run_share_no_state():
    """The environment of the grader is not changed by a run."""
    before = dict(os.environ)
    with open_runner("auto") as runner:
        runner.run(notebook("import os; os.environ['X'] = '1'"))
    assert dict(os.environ) == before
