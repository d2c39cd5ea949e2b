"""A student's page: what it tells, and what it must not tell."""

import html as html_
import re

import pytest

from helpers.course.grade.exercise import Exercise, load_exercise
from helpers.course.grade.feedback import write_feedback
from helpers.course.grade.page import page_names
from helpers.course.grade.score import (
    Adjustment,
    CheckResult,
    Graded,
    QuestionResult,
)

VISIBLE = "Squares of five integers\n  ✗ squares: 4, expected 9\n    yours: 4\n"
HIDDEN = "Squares of floats\n  ✗ squares: -2.250, expected 2.250\n    yours: -2.250\n"
MEAN = "Mean of ten numbers\n  ✗ mean: 0.1234, expected 0.08468\n"
UNSAID = "It should print these lines, and did not:\n  ✓ mean: 0.08468"
SECRETS = ("Squares of floats", "2.250", "linspace", "HIDDEN", "0.1234")


@pytest.fixture(scope="module")
def toy(toy_course) -> Exercise:
    return load_exercise(str(toy_course.solution))


def graded(student="ann", file="ann.ipynb", **more) -> Graded:
    """A student whose answers fail every check, the hidden one before the last."""
    square = QuestionResult(
        "square",
        "wrong",
        [
            CheckResult(VISIBLE.partition("\n")[0], 0, 2, False, VISIBLE, VISIBLE),
            CheckResult("Hidden check", 0, 1, False, "a hidden check failed", HIDDEN),
        ],
        "def square(x):\n    return x * abs(x) if 1 < 2 else '<script>'",
        ["Your cell raised <b>Error</b> when it ran."],
    )
    check = CheckResult(MEAN.partition("\n")[0], 0, 3, False, UNSAID, MEAN)
    mean = QuestionResult("mean", "wrong", [check], "def mean(x):\n    return 1")
    return Graded(student, file, "graded", [square, mean], [], "bubblewrap", **more)


def page(toy, folder, row, **options) -> str:
    write_feedback(folder, toy, [row], **options)
    return (folder / f"{row.student}.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    body = page[page.index("<body>") :]
    return html_.unescape(re.sub(r"<[^>]*>", "", body))


def test_page_tells_points_verdict_message_and_code(toy, tmp_path):
    text = text_of(page(toy, tmp_path, graded()))
    assert "0 of 6 points" in text
    assert "✗ wrong" in text
    assert "squares: 4, expected 9" in text
    assert "return x * abs(x) if 1 < 2" in text


def test_page_tells_nothing_of_hidden_checks_nor_of_output_after_them(toy, tmp_path):
    html = page(toy, tmp_path, graded())
    for secret in SECRETS:
        assert secret not in html


def test_hidden_checks_are_revealed_on_demand(toy, tmp_path):
    text = text_of(page(toy, tmp_path, graded(), reveal_hidden=True))
    for secret in SECRETS:
        assert secret in text
    assert "a hidden check failed" not in text
    assert "It should print these lines" in text
    assert text.count("squares: 4, expected 9") == 1


def test_a_hidden_check_that_passed_is_revealed_too(toy, tmp_path):
    row = graded()
    row.questions[0].checks[1] = CheckResult("Hidden check", 1, 1, True, "passed")
    text = text_of(page(toy, tmp_path, row, reveal_hidden=True))
    assert "Squares of floats" in text
    assert "linspace" in text
    assert "-2.250" not in text


def test_page_says_why_points_were_set_or_taken(toy, tmp_path):
    row = graded(adjustments=[Adjustment("late by 2 days: 20% off", -0.4)])
    change = Adjustment("square set to 2: right idea", 2)
    row.questions[0].adjustments.append(change)
    text = text_of(page(toy, tmp_path, row))
    assert "1.6 of 6 points" in text
    assert "Late by 2 days: 20% off. (-0.4)" in text
    assert "Square set to 2: right idea." in text
    assert "2 of 3" in text


def test_what_students_wrote_is_escaped(toy, tmp_path):
    name = '<img src=x onerror=alert(1)> & "Co" \''
    row = graded(student="Ann", file=f"{name}.ipynb")
    row.notes.append("</ul><script>\x00\x1b[31m")
    html = page(toy, tmp_path, row)
    assert not re.search(r"<(script|img|b)\b", html)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", html)
    assert name in text_of(html)


def test_pages_whose_names_differ_in_case_only_do_not_meet(toy, tmp_path):
    rows = [graded("Ann", "a/1.ipynb"), graded("ann", "2.ipynb"), graded("ben")]
    names = page_names(rows)
    assert names == ["Ann (a 1.ipynb).html", "ann (2.ipynb).html", "ben.html"]
    write_feedback(tmp_path, toy, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_an_unreadable_file_gets_a_page_with_the_reason(toy, tmp_path):
    row = Graded("ann", "ann.ipynb", "unreadable", [], ["the file is empty"])
    text = text_of(page(toy, tmp_path, row))
    assert "Not graded." in text
    assert "The file is empty." in text
    assert "0 of 6 points" in text
