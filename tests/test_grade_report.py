"""The class report: its figures against pandas and SciPy, its pages at any size."""

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import nbformat
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from independent_answers import CLASS, COPY

from helpers.course.grade.command import grade_all
from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.items import items
from helpers.course.grade.mistakes import mistakes
from helpers.course.grade.report import histogram, write_report
from helpers.course.grade.results import Results
from helpers.course.grade.score import (
    Adjustment,
    CheckResult,
    Graded,
    QuestionResult,
)
from helpers.course.grade.similarity import (
    THRESHOLD,
    Known,
    fingerprints,
    known,
    side_by_side,
    similar,
)
from helpers.course.sources import question, role

TOY = {"square": 3.0, "mean": 3.0}
THREE = TOY | {"scale": 5.0}
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Balance(HTMLParser):
    """Raises unless each element is closed in turn; collects ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[key] for key in ("href", "src") if key in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read_page(path) -> tuple[str, Balance]:
    html = path.read_text(encoding="utf-8")
    page = Balance()
    page.feed(html)
    page.close()
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    return html, page


def asked(name, points, possible, seconds=0.0, code="", printed="", **more):
    verdict = "correct" if points == possible else "partly correct"
    verdict = verdict if points else "wrong"
    passed = points == possible
    check = CheckResult("A check", points, possible, passed, "said", printed)
    return QuestionResult(name, verdict, [check], code, [], seconds, **more)


def made_up(count, worth=TOY) -> Results:
    """Random results, every tenth unreadable."""
    rng = np.random.default_rng(count)
    rows = []
    for number in range(count):
        skill = rng.uniform()
        questions = [
            asked(
                name,
                float(np.round(possible * np.clip(rng.normal(skill, 0.3), 0, 1))),
                possible,
                round(float(rng.gamma(2.0)), 3),
                f"def {name}(x):\n    return x * {number} + {rng.integers(1e9)}",
                f"A check\n  ✗ {name}: {rng.integers(30)}, expected 7\n",
            )
            for name, possible in worth.items()
        ]
        status = "unreadable" if number % 10 == 9 else "graded"
        name = f"Student {number:03d} <script>alert(1)</script>"
        rows.append(Graded(name, f"{number}.ipynb", status, questions, ["a <b>note"]))
    return Results("90_toy", "0", worth, rows, [])


@pytest.fixture(scope="module")
def toy(toy_course) -> Exercise:
    return load_exercise(str(toy_course.solution))


def report_of(exercise, results, folder):
    write_report(folder / "report.html", exercise, results)
    return read_page(folder / "report.html")


# Difficulty and discrimination


def test_items_equal_pandas_and_scipy():
    results = made_up(60, THREE)
    rows = [row for row in results.submissions if row.status != "unreadable"]
    points = pd.DataFrame([{q.name: q.points for q in row.questions} for row in rows])
    times = pd.DataFrame([{q.name: q.seconds for q in row.questions} for row in rows])
    found = items(results)
    assert [item.name for item in found] == list(points.columns)
    for item in found:
        rest = points.drop(columns=item.name).sum(axis=1)
        r = scipy.stats.pearsonr(points[item.name], rest).statistic
        share = (points[item.name] / THREE[item.name]).mean()
        assert item.difficulty == pytest.approx(share)
        assert item.discrimination == pytest.approx(r)
        assert item.median_seconds == pytest.approx(times[item.name].median())
        slowest = rows[times[item.name].idxmax()].student
        assert item.slowest == (times[item.name].max(), slowest)
        assert sum(item.verdicts.values()) == len(rows) == 54


def test_items_count_points_as_overrides_left_them():
    results = made_up(12, THREE)
    first, *others = results.submissions
    change = Adjustment("square set to 99", 99 - first.questions[0].points)
    square = replace(first.questions[0], adjustments=[change])
    first = replace(first, questions=[square, *first.questions[1:]])
    before = items(results)[0].difficulty
    after = items(replace(results, submissions=[first, *others]))[0].difficulty
    points = results.submissions[0].questions[0].points
    assert after - before == pytest.approx((99 - points) / 11 / 3)


@pytest.mark.parametrize("count", [0, 1])
def test_items_of_too_few(count):
    for item in items(made_up(count, THREE)):
        assert (item.difficulty is None) == (count == 0)
        assert item.discrimination is None


def test_a_question_that_nobody_got_right_discriminates_nothing():
    rows = [
        Graded(s, s, "graded", [asked("a", 0, 2), asked("b", n, 4)], [])
        for n, s in enumerate("xyz")
    ]
    found = items(Results("e", "0", {"a": 2, "b": 4}, rows, []))
    assert [item.discrimination for item in found] == [None, None]
    assert [item.difficulty for item in found] == [0, pytest.approx(0.25)]


@given(
    st.lists(st.floats(0, 47), min_size=1, max_size=60),
    st.sampled_from([1, 6, 20, 21, 30, 47.5, 100]),
)
def test_histogram_equals_numpys(totals, possible):
    bars = histogram(totals, possible)
    edges = np.array([*(bar.low for bar in bars), bars[-1].high])
    assert len(bars) <= 20
    assert edges[0] == 0
    assert edges[-1] == possible
    counts, _ = np.histogram(np.clip(totals, 0, possible), edges)
    assert [bar.count for bar in bars] == counts.tolist()


# Wrong answers


@pytest.fixture(scope="module")
def handed_in(toy, toy_course, tmp_path_factory) -> tuple[Results, str]:
    """Each answer of the toy's bank handed in, and what became of it."""
    root = tmp_path_factory.mktemp("report")
    (root / "in").mkdir()
    exercise = nbformat.read(toy_course.exercise, as_version=4)
    bank = [cell for cell in toy.solution.cells if role(cell) == "wrong"]
    answers = {
        f"{question(cell)}-{number}": {question(cell): cell.source}
        for number, cell in enumerate(bank)
    }
    answers["renamed"] = {"mean": "def mean(t):\n  n = len(t) - 1\n  return sum(t) / n"}
    answers["elsewhere"] = {"mean": "def mean(x):\n    zero = 0\n    return 1 / zero"}
    for student in ("yan", "zoe"):
        answers[student] = {"mean": "def mean(x):\n    return np.median(x)"}
    answers["new"] = {"square": "def square(x):\n    return x - 1"}
    for student, own in answers.items():
        book = nbformat.from_dict(exercise)
        for cell in book.cells:
            cell.source = own.get(cell.metadata.get("answer"), cell.source)
        nbformat.write(book, root / "in" / f"{student}.ipynb")
    results = grade_all(toy, root / "in", root / "out")
    return results, read_page(root / "out" / "report.html")[0]


def test_wrong_answers_are_matched_to_the_bank(toy, handed_in):
    found = mistakes(toy, handed_in[0])
    square = {m.why: m.students for m in found["square"]}
    assert square == {
        "doubles": ["square-0"],
        "forgets to return": ["square-1"],
        "keeps the sign": ["square-2"],  # only the hidden check tells
        "": ["new"],
    }
    mean = {m.why: sorted(m.students) for m in found["mean"]}
    assert mean == {
        "divides by one less": ["mean-3", "renamed"],
        "is the median": ["mean-4", "yan", "zoe"],
        "raises": ["elsewhere", "mean-5"],
    }
    assert [len(m.students) for m in found["mean"]] == [3, 2, 2]
    assert "expected 9" in next(m.says for m in found["square"] if m.why == "doubles")


def test_the_report_of_a_run_names_mistakes_and_students(handed_in):
    _, html = handed_in
    assert "Forgets to return" in html
    assert "Not in the bank" in html
    assert 'href="feedback/renamed.html"' in html


def test_an_answer_with_a_second_mistake_still_matches(toy):
    """Most of what the checks say decides, where not all of it agrees."""
    wrong = next(c for c in toy.solution.cells if c.metadata.get("why") == "doubles")
    says = "".join(output.text for output in wrong.outputs)
    row = Graded(
        *("ann", "a", "graded"),
        [asked("square", 0, 3, printed=f"{says}  ✗ another thing: 1, expected 2\n")],
        [],
    )
    results = Results("90_toy", "0", TOY, [row], [])
    assert [m.why for m in mistakes(toy, results)["square"]] == ["doubles"]


# Similar submissions


@pytest.fixture(scope="module")
def brought_along() -> Known:
    return known(load_exercise("03"))


def test_independent_right_answers_are_not_alike(brought_along):
    assert similar(CLASS, brought_along) == []
    for pair in itertools.combinations(CLASS, 2):
        two = {student: CLASS[student] for student in pair}
        assert similar(two, brought_along, THRESHOLD / 2) == []
    released = {"pairs": [], "softmax": []}
    bare = Known(brought_along.names, released)
    assert similar(CLASS, bare) == []


def test_a_copy_dressed_up_is_found(brought_along):
    for answers in (CLASS | {"zoe": COPY}, {"ben": CLASS["ben"], "zoe": COPY}):
        (pair,) = similar(answers, brought_along)
        assert (pair.first, pair.second) == ("ben", "zoe")
        assert 0.65 < pair.likeness < 1
        assert min(pair.questions["pairs"], pair.questions["softmax"]) > 0.7


def test_one_copied_answer_of_several_is_found(brought_along):
    own = """
def softmax_loss(v_c, o, U):
    a = np.einsum("wd,d->w", U, v_c)
    lse = np.logaddexp.reduce(a)
    p = np.exp(a - lse)
    r = np.where(np.arange(len(a)) == o, p - 1, p)
    return lse - a[o], U.T @ r, r[:, None] @ v_c[None]
"""
    zoe = {"pairs": COPY["pairs"], "softmax": own}
    (pair,) = similar(CLASS | {"zoe": zoe}, brought_along)
    assert (pair.first, pair.second) == ("ben", "zoe")
    assert pair.questions["pairs"] > 0.7
    assert pair.questions["softmax"] < 0.1


def test_what_everyone_writes_makes_nobody_alike(brought_along):
    """Code from the lecture, in the answers of all."""
    common = COPY["pairs"] + COPY["softmax"]
    answers = {
        student: own | {"pairs": f"{common}\n\n{own['pairs']}"}
        for student, own in CLASS.items()
    }
    two = {student: answers[student] for student in ("ann", "eva")}
    assert len(similar(two, brought_along)) == 1
    assert similar(answers, brought_along) == []


def test_the_solution_and_the_bank_make_nobody_alike():
    exercise = load_exercise("03")
    bank = {name: [] for name in exercise.checks}
    for cell in exercise.solution.cells:
        if role(cell) in ("answer", "right", "wrong"):
            bank[question(cell)].append(cell.source)
    answers = {
        f"student {n}": {name: texts[n % 3] for name, texts in bank.items()}
        for n in range(6)
    }
    assert similar(answers, known(exercise)) == []


def test_code_that_is_no_python_is_compared_as_it_stands(brought_along):
    broken = CLASS["ben"]["pairs"].replace("continue", "continue)")
    answers = {"ann": {"pairs": broken}, "ben": {"pairs": f"{broken}  # mine"}}
    assert similar(answers, brought_along)[0].likeness > THRESHOLD
    deep = {"ann": {"pairs": "(" * 9000}, "ben": {"pairs": "-" * 9000 + "1"}}
    assert similar(deep, brought_along) == []
    assert similar({}, brought_along) == []


@given(
    st.permutations(["result", "doc", "d", "i", "j", "center"]),
    st.sampled_from(["  ", "\t", "        "]),
)
def test_names_comments_and_blanks_leave_no_trace(names, indent):
    code = CLASS["ann"]["pairs"]
    changed = re.sub(
        r"\b(result|doc|d|i|j|center)\b",
        lambda m: dict(zip(sorted(names), names, strict=True))[m[0]],
        code,
    ).replace("    ", indent)
    changed = changed.replace("\n", "  # a comment\n\n")
    names = {"skipgram_pairs"}
    assert fingerprints(changed, names) == fingerprints(code, names) != set()
    assert fingerprints(code, set()) != fingerprints(code, names)


@given(st.lists(st.sets(st.sampled_from("abcdefgh")), min_size=2, max_size=6))
def test_likeness_equals_its_formula(prints):
    """By brute force, each letter standing for a run of eight tokens."""
    runs = {x: f"{x} = 1\n" + f"{x}{x}(1, 2, 3)\n" for x in "abcdefgh"}
    answers = {
        str(n): {"q": ";".join(runs[x].replace("\n", " ") for x in sorted(s))}
        for n, s in enumerate(prints)
    }
    found = {n: fingerprints(own["q"], ()) for n, own in answers.items()}
    pairs = similar(answers, Known(set(), {"q": []}), 0.0)
    assert len(pairs) == len(prints) * (len(prints) - 1) / 2
    count = pd.Series([p for prints in found.values() for p in prints]).value_counts()
    for pair in pairs:
        one, other = found[pair.first], found[pair.second]
        both = sum(1 / max(1, count[p] - 1) for p in one & other)
        either = sum(1 / max(1, count[p] - 1) for p in one | other)
        assert pair.likeness == pytest.approx(both / (either + 20))


def test_side_by_side_marks_what_differs_in_names_only():
    left = "def f(x):\n    y = x + 1\n    z = 3\n    return y  # done"
    right = "def f(a):\n    print(a)\n    b = a+1\n    return b"
    rows = side_by_side(left, right, {"f"})
    assert [row.left for row in rows if row.left] == left.splitlines()
    assert [row.right for row in rows if row.right] == right.splitlines()
    assert [(r.left.strip()[:5], r.right.strip()[:5]) for r in rows if r.same] == [
        ("def f", "def f"),
        ("y = x", "b = a"),
        ("retur", "retur"),
    ]


# The page


def test_report_of_four_hundred_stays_small_and_escapes_names(toy, tmp_path):
    html, page = report_of(toy, made_up(400), tmp_path)
    assert len(html.encode()) < 3_000_000
    assert "<script" not in html
    assert "<b>note" not in html
    assert "Student 009 &lt;script&gt;" in html
    outside = {link.partition("/")[0] for link in page.links if link[0] != "#"}
    assert outside == {"feedback"}
    assert not re.search(r"@import|url\(|https?://", html)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_report_of_few_or_none(toy, tmp_path, count):
    html, _ = report_of(toy, made_up(count), tmp_path)
    assert ("nothing to show yet" in html) == (count == 0)
    assert f"<dd>{count}</dd>" in html


def test_report_where_none_could_be_read(toy, tmp_path):
    results = made_up(3)
    rows = [replace(row, status="unreadable") for row in results.submissions]
    html, _ = report_of(toy, replace(results, submissions=rows), tmp_path)
    assert "nothing to show yet" in html
    assert "unreadable" in html


def test_report_shows_the_copy_side_by_side(tmp_path):
    exercise = load_exercise("03")
    rows = [
        Graded(
            *(student, f"{student}.ipynb", "graded"),
            [
                asked(name, 1, exercise.possible(name), code=code.get(name, ""))
                for name in exercise.checks
            ],
            [],
        )
        for student, code in (CLASS | {"zoe": COPY}).items()
    ]
    possible = {name: exercise.possible(name) for name in exercise.checks}
    results = Results("03_word2vec", "0", possible, rows, [])
    html, _ = report_of(exercise, results, tmp_path)
    assert "<strong>ben</strong> and <strong>zoe</strong>" in html
    assert html.count("most in pairs, softmax") == 1
    sides = html[html.index('class="sides"') :]
    assert "contexts.append(ids[other])" in sides
    assert "cost = lz - q[k]" in sides
    assert 'tr class="same"' in sides
