"""What leaves the grader: gradebook, overrides, the files of Canvas and Moodle."""

import csv
import io
import re
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.course.grade import GradeError
from helpers.course.grade.files import harmless, read_table, write_atomically
from helpers.course.grade.gradebook import write_gradebook
from helpers.course.grade.lms import (
    disagreement,
    make_roster,
    read_roster,
    write_import,
)
from helpers.course.grade.policy import Policy, read_policy
from helpers.course.grade.results import (
    Results,
    from_json,
    one_per_student,
    read_results,
    to_json,
    write_results,
)
from helpers.course.grade.score import CheckResult, Graded, QuestionResult
from helpers.course.grade.submissions import Submission

QUESTIONS = {"square": 3.0, "mean": 4.0}


def row(student="ann", square=3.0, mean=4.0, status="graded", file="", notes=()):
    questions = [
        QuestionResult(name, "correct", [CheckResult("t", earned, full, True, "m")], "")
        for (name, full), earned in zip(QUESTIONS.items(), (square, mean), strict=True)
    ]
    file = file or f"{student}.ipynb"
    return Graded(student, file, status, questions, list(notes), "process")


def results(*rows):
    return Results("03_words", "v1", QUESTIONS, list(rows), [])


def handed_in(student, lms="", lms_id=""):
    return Submission(student, f"{student}.ipynb", Path("x"), None, lms, lms_id)


def policy(tmp_path, text, students=("ann", "ben", "cat")):
    path = tmp_path / "overrides.csv"
    path.write_text("student,what,value,reason\n" + text, encoding="utf-8")
    return read_policy(path, QUESTIONS, students)


# --- the gradebook ---------------------------------------------------------


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "  =", "\r@", "\uff1d"])
def test_no_cell_is_a_formula(tmp_path, start):
    name = f'{start}HYPERLINK("http://x","y")'
    write_gradebook(tmp_path / "b.csv", results(row(name, notes=[f"{start}1", "b"])))
    book = pd.read_csv(tmp_path / "b.csv", dtype=str, keep_default_na=False)
    for cell in book.to_numpy().ravel():
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert list(book.columns) == [
        *("student", "file", "status", "square", "mean"),
        *("total", "isolation", "notes"),
    ]


@given(st.text())
def test_harmless_text_is_one_line_and_no_formula(text):
    safe = harmless(text)
    assert safe.isprintable()
    assert not safe.lstrip().startswith(("=", "+", "-", "@"))
    assert len(safe) <= len(text) + 1


def test_odd_names_survive_the_gradebook(tmp_path):
    names = ['O"Neil, Zoë', "李伟", "ann;1,5", "'quoted'", "مريم"]
    write_gradebook(tmp_path / "b.csv", results(*map(row, names)))
    book = pd.read_csv(tmp_path / "b.csv")
    assert list(book.student) == names
    assert list(book.total) == [7] * len(names)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_results_are_read_as_they_were_written(tmp_path):
    text = "ann,mean,2.5,why not\nben,total,1,\n"
    rows = [policy(tmp_path, text).apply(row(name)) for name in ("ann", "ben")]
    written = Results("03_words", "v1", QUESTIONS, rows, [row("cat", notes=["é\n"])])
    write_results(tmp_path / "results.json", written)
    assert read_results(tmp_path / "results.json") == written
    plain = to_json(rows[0])
    assert plain["total"] == 5.5
    assert [q["points"] for q in plain["questions"]] == [3, 2.5]
    assert from_json(plain) == rows[0]


def test_the_best_notebook_of_a_student_counts():
    rows = [
        row("ann", 0, 0, "unreadable", "ann/a.pdf", ["not a notebook"]),
        row("ann", 0, 0, file="ann/b.ipynb"),
        row("ann", 1, 2, file="ann/c.ipynb"),
        row("ann", 2, 1, file="ann/d.ipynb"),
        row("ben", 0, 0, "unreadable", "ben/a.pdf", ["empty"]),
        row("ben", 0, 0, file="ben/b.ipynb"),
    ]
    counted, others = one_per_student(rows)
    assert [one.file for one in counted] == ["ann/c.ipynb", "ben/b.ipynb"]
    assert [one.file for one in others] == [
        *("ann/a.pdf", "ann/b.ipynb", "ann/d.ipynb", "ben/a.pdf")
    ]
    assert counted[0].notes == [
        "c.ipynb counts; also handed in: a.pdf (not a notebook), b.ipynb (0 points), "
        "d.ipynb (3 points)"
    ]
    assert not rows[2].notes


# --- overrides -------------------------------------------------------------


def test_points_set_for_a_question_and_the_whole(tmp_path):
    said = policy(tmp_path, "ann,mean,2.5,right idea\nben,total,6,oral\nben,mean,1,\n")
    ann, ben, cat = (said.apply(row(name, 2)) for name in ("ann", "ben", "cat"))
    assert [question.points for question in ann.questions] == [2, 2.5]
    assert ann.total == 4.5
    assert ann.questions[1].adjustments[0].reason == "mean set to 2.5: right idea"
    assert [question.points for question in ben.questions] == [2, 1]
    assert ben.total == 6
    assert [change.reason for change in ben.adjustments] == ["total set to 6: oral"]
    assert cat == row("cat", 2)


@pytest.mark.parametrize(
    ("submitted", "total", "reason"),
    [
        ("2026-11-20 23:59", 7, ""),
        ("2026-11-20T12:00", 7, ""),
        ("2026-11-21 00:00", 6.3, "late by 1 day: 10% off"),
        ("2026-11-21 23:59", 6.3, "late by 1 day: 10% off"),
        ("2026-11-21 23:59:01", 5.6, "late by 2 days: 20% off"),
        ("2027-01-21 00:00", 0, "late by 62 days: 620% off"),
    ],
)
def test_each_day_begun_costs_its_share(tmp_path, submitted, total, reason):
    said = policy(
        tmp_path,
        f"*,deadline,2026-11-20 23:59,\n*,penalty,10%,\nann,submitted,{submitted},\n",
    )
    late = said.apply(row())
    assert late.total == pytest.approx(total)
    assert "; ".join(change.reason for change in late.adjustments) == reason


def test_a_students_own_line_goes_before_that_for_everyone(tmp_path):
    said = policy(
        tmp_path,
        "*,deadline,2026-11-20 12:00,\n*,penalty,50%,\n*,submitted,2026-11-21 10:00,\n"
        "ben,deadline,2026-11-22 12:00,ill\ncat,penalty,0%,first time\n",
    )
    totals = [said.apply(row(name)).total for name in ("ann", "ben", "cat")]
    assert totals == [3.5, 7, 7]
    assert said.apply(row("cat")).adjustments[0].reason == "late by 1 day"


def test_the_lms_tells_when_unless_the_policy_does(tmp_path):
    text = "*,deadline,2026-11-20 12:00,\n*,penalty,50%,\n"
    late = datetime(2026, 11, 20, 12, 1)
    assert policy(tmp_path, text).apply(row(), late).total == 3.5
    text += "ann,submitted,2026-11-20 11:00,\n"
    assert policy(tmp_path, text).apply(row(), late).total == 7


def test_without_a_file_nothing_changes():
    assert read_policy(None, QUESTIONS, ["ann"]) == Policy()
    assert Policy().apply(row()) == row()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("anne,mean,2,", "line 2: no student is called 'anne'; did you mean 'ann'?"),
        ("zed,mean,2,", "no student is called 'zed'; there are: ann, ben, cat"),
        ("ann,meen,2,", "called 'meen'; did you mean 'mean'?"),
        ("ann,mean,two,", "'two' is no number of points"),
        ("ann,mean,-1,", "'-1' is no number of points"),
        ("ann,total,nan,", "'nan' is no number of points"),
        ("ann,total,50%,", "'50%' is no number of points"),
        ("*,penalty,0.1,", "'0.1' is no share; write it as 10%"),
        ("*,penalty,110%,", "'110%' is no share"),
        ("*,deadline,20.11.2026,", "no date and time; write it as 2026-11-20 23:59"),
        ("*,deadline,2026-11-20,", "no date and time"),
        ("ann,mean,,", "no value; the columns are student, what, value, reason"),
        (",,2,", "no student and no what"),
        ("ann,mean,1,\nann,mean,2,", "line 3: mean of ann stands in a line above too"),
    ],
)
def test_a_line_that_says_nothing_clear_is_refused(tmp_path, line, message):
    with pytest.raises(GradeError, match=re.escape(message)):
        policy(tmp_path, line + "\n")


def test_tables_of_spreadsheets_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfstudent;what\r\nann;1,5\r\nben\r\n")
    assert read_table(path) == [
        {"student": "ann", "what": "1,5"},
        {"student": "ben", "what": ""},
    ]
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(GradeError, match="not a CSV file in UTF-8"):
        read_table(path)


# --- Canvas ----------------------------------------------------------------

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Exercise 03: words (771),Quiz (772),"
    "Current Score\n"
    ",,,,,Manual Posting,,\n"
    "    Points Possible,,,,,7,5,(read only)\n"
    '"Lee, Ann",11,S11,alee,A,,4,80\n'
    '"Núñez, José",12,S12,jnunez@x.edu,A,1,,\n'
    '"Wei, Li",13,S13,lwei,B,2,,\n'
    '"Wei, Li",14,S14,lwei2,B,,,\n'
    '"Student, Test",99,,,A,,,\n'
)


def canvas_reads(text):
    """Student → points, by the rules of Canvas's `gradebook_importer.rb`."""
    head, *lines = csv.reader(io.StringIO(text))
    assert "Student" in head[0]
    assert "ID" in head[1]
    width = 3
    if re.match(r"SIS\s+Login\s+ID", head[2]):
        width = 4
    elif re.match(r"SIS\s+User\s+ID", head[2]) and re.match("SIS Login ID", head[3]):
        width = 5 + (head[4] == "Integration ID")
    assert "Section" in head[width - 1]
    assert len(head) == width + 1
    assert "Points Possible" in lines[0][0]
    points = {(line[1], line[0]): line[width] for line in lines[1:]}
    return head[width], float(lines[0][width]), points


def test_canvas_gradebook_comes_back_filled_in(tmp_path):
    (tmp_path / "roster.csv").write_text(CANVAS, encoding="utf-8")
    found = [
        handed_in("leeann", "canvas", "11"),
        handed_in("jnunez"),  # a login
        handed_in("liwei", "canvas", "14"),
        handed_in("stranger"),
    ]
    roster = read_roster(tmp_path / "roster.csv", found)
    assert roster.lms == "canvas"
    assert set(roster.students) == {"leeann", "jnunez", "liwei"}
    graded = results(row("jnunez", 0.5, 0), row("leeann"), row("liwei", 1))
    write_import(tmp_path, roster, graded)
    text = (tmp_path / "canvas.csv").read_text("utf-8")
    title, possible, points = canvas_reads(text)
    assert (title, possible) == ("Exercise 03: words (771)", 7)
    assert points == {
        ("11", "Lee, Ann"): "7",
        ("12", "Núñez, José"): "0.5",
        ("13", "Wei, Li"): "2",
        ("14", "Wei, Li"): "5",
        ("99", "Student, Test"): "",
    }
    assert disagreement(roster, graded) == ""


def test_names_in_any_order_are_known_and_namesakes_are_not(tmp_path):
    (tmp_path / "roster.csv").write_text(CANVAS, encoding="utf-8")
    known = {"Ann Lee": "11", "lee_ann": "11", "S12": "12", "jnunez@x.edu": "12"}
    for name in [*known, "Li Wei"]:
        roster = read_roster(tmp_path / "roster.csv", [handed_in(name)])
        rows = {one: roster.rows[place]["ID"] for one, place in roster.students.items()}
        assert rows == ({name: known[name]} if name in known else {})


def test_a_row_that_two_students_claim_is_neithers(tmp_path):
    (tmp_path / "roster.csv").write_text(CANVAS, encoding="utf-8")
    found = [handed_in("Ann Lee"), handed_in("x", "canvas", "11"), handed_in("S12")]
    assert list(read_roster(tmp_path / "roster.csv", found).students) == ["S12"]


def test_canvas_names_of_files_make_a_roster(tmp_path):
    found = [handed_in("=leeann", "canvas", "11"), handed_in("x", "moodle", "3")]
    roster = make_roster("canvas", found)
    write_import(tmp_path, roster, results(row("=leeann"), row("x")))
    title, possible, points = canvas_reads((tmp_path / "canvas.csv").read_text())
    assert (title, possible) == ("03_words", 7)
    assert points == {("11", "'=leeann"): "7"}
    assert make_roster("canvas", found[1:]) is None


# --- Moodle ----------------------------------------------------------------

MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,"
    "Grade can be changed,Last modified (submission),Last modified (grade)\n"
    'Participant 101,Ann Lee,ann@x.edu,Submitted,,7.00,Yes,"Friday, 20 November 2026, '
    '11:58 PM",-\n'
    'Participant 102,José Núñez,jn@x.edu,Submitted,1.00,7.00,Yes,-,"Friday, 20 '
    'November 2026, 3:15 PM"\n'
    "Participant 103,Li Wei,lw@x.edu,No submission,,7.00,Yes,-,-\n"
)


def test_moodle_worksheet_comes_back_filled_in(tmp_path):
    (tmp_path / "sheet.csv").write_text(MOODLE, encoding="utf-8-sig")
    found = [handed_in("Ann Lee", "moodle", "101"), handed_in("jn")]
    roster = read_roster(tmp_path / "sheet.csv", found)
    assert roster.submitted == {"Ann Lee": datetime(2026, 11, 20, 23, 58)}
    said = policy(tmp_path, "jn,total,4,oral\n", ["jn"])
    write_import(tmp_path, roster, results(row("Ann Lee"), said.apply(row("jn", 0))))
    sheet = pd.read_csv(tmp_path / "moodle.csv", dtype=str, keep_default_na=False)
    before = pd.read_csv(tmp_path / "sheet.csv", dtype=str, keep_default_na=False)
    assert list(sheet.columns) == [*before.columns, "Feedback comments"]
    untouched = before.columns.drop("Grade")
    pd.testing.assert_frame_equal(sheet[untouched], before[untouched])
    assert list(sheet.Grade) == ["7", "4", ""]
    assert sheet["Feedback comments"][1] == (
        "4 of 7 points; square: 0 of 3 (correct); mean: 4 of 4 (correct); "
        "total set to 4: oral"
    )


def test_moodle_names_of_files_make_a_worksheet(tmp_path):
    found = [handed_in("Ann Lee", "moodle", "101"), handed_in("Bo", "moodle", "7")]
    write_import(
        tmp_path, make_roster("moodle", found), results(row("Ann Lee"), row("Bo", 1))
    )
    sheet = pd.read_csv(tmp_path / "moodle.csv", keep_default_na=False)
    assert list(sheet.Identifier) == ["Participant 101", "Participant 7"]
    assert list(sheet.Grade) == [7, 5]
    assert list(sheet["Last modified (grade)"]) == ["-", "-"]


@pytest.mark.parametrize(("table", "mark"), [(CANVAS, ",7,5,"), (MOODLE, ",7.00,")])
def test_other_points_in_the_lms_are_told_and_left(tmp_path, table, mark):
    text = table.replace(mark, mark.replace("7", "10"))
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    roster = read_roster(tmp_path / "roster.csv", [handed_in("jn"), handed_in("alee")])
    graded = results(row("alee"))
    assert "has 10 points for this, the exercise 7" in disagreement(roster, graded)
    write_import(tmp_path, roster, graded)
    if roster.lms == "canvas":
        assert canvas_reads((tmp_path / "canvas.csv").read_text("utf-8"))[1] == 10


@pytest.mark.parametrize("text", ["", "Name,Punkte\nann,1\n", "Student,ID\nx,1\n"])
def test_any_other_table_is_no_roster(tmp_path, text):
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(GradeError, match="neither Canvas's gradebook"):
        read_roster(tmp_path / "roster.csv", [])
