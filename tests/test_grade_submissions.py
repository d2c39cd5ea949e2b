"""Finding what was handed in: in folders, and in zips as Moodle and Canvas export."""

import os
import stat
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.course.grade import GradeError
from helpers.course.grade import submissions as module
from helpers.course.grade.read import MAX_BYTES, Unreadable
from helpers.course.grade.schedule import content
from helpers.course.grade.store import digest
from helpers.course.grade.submissions import Submission, find_submissions

MOODLE = {
    "Ann Lee_101_assignsubmission_file_/homework.ipynb": ("Ann Lee", "101"),
    "Ann Lee_101_assignsubmission_file_/data/words.csv": ("Ann Lee", "101"),
    "José Núñez_102_assignsubmission_file_/h.ipynb": ("José Núñez", "102"),
    "Participant_103_assignsubmission_file_/h.ipynb": ("Participant", "103"),
    "Kim_Lee_104_assignsubmission_file_h.ipynb": ("Kim_Lee", "104"),
    "Li Wei_105_assignsubmission_file/h.ipynb": ("Li Wei (105)", "105"),
    "Li Wei_106_assignsubmission_file/h.ipynb": ("Li Wei (106)", "106"),
    "Cy Ng_107_assignsubmission_onlinetext_/onlinetext.html": ("Cy Ng", "107"),
    " _108_assignsubmission_file_h.ipynb": ("108", "108"),
}
CANVAS = {
    "leeann_11_5001_homework.ipynb": ("leeann", "11", False),
    "leeann_11_5002_words_1_2.csv": ("leeann", "11", False),
    "nunezjose_LATE_12_5003_03_word2vec-1.ipynb": ("nunezjose", "12", True),
    "liwei_13_5004_h.ipynb": ("liwei (13)", "13", False),
    "liwei_14_5005_h.ipynb": ("liwei (14)", "14", False),
}


def write_zip(path, names, data=b"{}"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def write_folder(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    return folder


@pytest.fixture(params=["folder", "zip", "zip in a folder"])
def make(request, tmp_path):
    """Lays names out as a folder, or as a zip with or without a folder around them."""
    if request.param == "folder":
        return lambda names: write_folder(tmp_path / "in", names)
    prefix = "week 3/" if request.param == "zip in a folder" else ""
    path = tmp_path / "in.zip"
    return lambda names: write_zip(path, [prefix + name for name in names])


def test_moodle_names_are_taken_apart(make):
    found = find_submissions(make(MOODLE))
    assert {s.file: (s.student, s.lms_id) for s in found} == MOODLE
    assert {s.lms for s in found} == {"moodle"}
    assert [s.read() for s in found] == [b"{}"] * len(MOODLE)


def test_one_student_alone_keeps_the_name(tmp_path):
    found = find_submissions(write_zip(tmp_path / "in.zip", list(MOODLE)[:2]))
    assert [s.student for s in found] == ["Ann Lee", "Ann Lee"]
    found = find_submissions(write_zip(tmp_path / "in2.zip", ["ann/a.ipynb"]))
    assert [s.student for s in found] == ["ann"]


def test_canvas_names_are_taken_apart(make):
    found = find_submissions(make(CANVAS))
    assert {s.file: (s.student, s.lms_id, s.late) for s in found} == CANVAS
    assert {s.lms for s in found} == {"canvas"}


def test_every_file_is_found_and_litter_is_not(make):
    names = [
        "ben.ipynb",
        "ann.ipynb",
        "ann.txt",
        "cat/homework.ipynb",
        "cat/notes/plan.md",
        ".DS_Store",
        "cat/.ipynb_checkpoints/homework-checkpoint.ipynb",
        "__MACOSX/ben.ipynb",
        "Thumbs.db",
    ]
    found = find_submissions(make(names))
    assert [(s.student, s.file, s.lms) for s in found] == [
        ("ann", "ann.ipynb", ""),
        ("ann", "ann.txt", ""),
        ("ben", "ben.ipynb", ""),
        ("cat", "cat/homework.ipynb", ""),
        ("cat", "cat/notes/plan.md", ""),
    ]


def test_links_pipes_and_large_files_are_not_opened(tmp_path):
    (tmp_path / "in").mkdir()
    target = tmp_path / "secret.ipynb"
    target.write_text("{}")
    (tmp_path / "in/dangling.ipynb").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in/folder").symlink_to(tmp_path)
    (tmp_path / "in/link.ipynb").symlink_to(target)
    os.mkfifo(tmp_path / "in/pipe.ipynb")
    with (tmp_path / "in/z.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    *odd, large = find_submissions(tmp_path / "in")
    assert [s.student for s in odd] == ["dangling", "folder", "link", "pipe"]
    for submission in odd:
        with pytest.raises(Unreadable, match="not a regular file"):
            submission.read()  # opening the pipe would wait for ever
    with pytest.raises(Unreadable, match="clear its outputs"):
        large.read()


def test_names_in_a_zip_cannot_lead_out_of_it(tmp_path):
    names = [
        "../../up.ipynb",
        "/etc/root.ipynb",
        "a\\..\\b.ipynb",
        "..",
        "x/\n./y",
        "C:",
    ]
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # as no honest tool would write it
            archive.writestr(info, b"{}")
    found = find_submissions(path)
    assert len(found) == len(names)
    for submission in found:
        assert not {"..", ".", ""} & set(submission.file.split("/"))
        assert not set(submission.student) & set("/\\\n\0")
        assert submission.read() == b"{}"
    assert sorted(tmp_path.iterdir()) == [path]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_names_can_stand_in_the_book_and_name_a_page(names):
    for name in names:
        parts = module._parts(name)
        submission = module._name(parts, None, 0)
        assert submission.student
        assert submission.student.isprintable()
        assert not set(submission.student) & set("/\\")
        assert len(f"{submission.student}.html".encode()) < 255


def test_bombs_links_and_damage_in_a_zip_cost_their_own_file_only(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.ipynb", b"0" * 1_000_001)
        archive.writestr("broken.ipynb", b"1" * 1000)
        archive.writestr("good.ipynb", b"{}")
        archive.writestr("liar.ipynb", b"2" * 2_000_000)
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, b"/etc/passwd")
        places = {info.filename: info.header_offset for info in archive.infolist()}
    data = bytearray(path.read_bytes())
    data[places["broken.ipynb"] + 30 + len("broken.ipynb")] ^= 0xFF
    # The size that the directory claims for the liar: 2 kB.
    at = data.rindex(b"liar.ipynb") - 46
    data[at + 24 : at + 28] = struct.pack("<I", 2000)
    path.write_bytes(data)
    reasons = {}
    for submission in find_submissions(path):
        try:
            reasons[submission.student] = submission.read()
        except Unreadable as error:
            reasons[submission.student] = str(error).split()[0]
    assert reasons.pop("good") == b"{}"
    assert reasons == {
        "bomb": "1,000,001",
        "broken": "damaged",
        "liar": "damaged",
        "link": "a",
    }


@pytest.mark.parametrize(
    ("offset", "reason"), [(6, "locked by a password"), (8, "cannot be unpacked")]
)
def test_encryption_and_deflate64_are_told(tmp_path, offset, reason):
    path = write_zip(tmp_path / "in.zip", ["ann.ipynb"])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\3\4") + offset] |= 1
    data[data.index(b"PK\1\2") + offset + 2] |= 1
    path.write_bytes(data)
    (ann,) = find_submissions(path)
    with pytest.raises(Unreadable, match=reason):
        ann.read()


def test_a_name_chosen_to_look_like_another_students(tmp_path):
    """The LMS writes the beginning; what a student calls the file follows."""
    name = "Eve_14_assignsubmission_file_Bo Chen_12_assignsubmission_file_x.ipynb"
    (eve,) = find_submissions(write_zip(tmp_path / "in.zip", [name]))
    assert (eve.student, eve.lms_id) == ("Eve", "14")


def test_letters_and_accents_apart_are_one_name(tmp_path):
    names = [
        "Jose\u0301 N_1_assignsubmission_file_/h.ipynb",
        "x_2_assignsubmission_file_/h",
    ]
    found = find_submissions(write_zip(tmp_path / "in.zip", names))
    assert found[0].student == "Jos\u00e9 N"


def test_a_name_that_is_not_utf8_is_printable(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"zo\xeb.ipynb")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (found,) = find_submissions(tmp_path)
    assert found.student == "zo\ufffd"


def test_what_is_no_class_is_told(tmp_path, monkeypatch):
    with pytest.raises(GradeError, match="not there; give the folder"):
        find_submissions(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("no zip")
    with pytest.raises(GradeError, match="not a zip; give the folder"):
        find_submissions(tmp_path / "notes.txt")
    path = write_zip(tmp_path / "cut.zip", CANVAS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(GradeError, match="a damaged or incomplete zip"):
        find_submissions(path)
    path.write_bytes(whole.replace(b"PK\1\2", b"PK\0\0", 1))
    with pytest.raises(GradeError, match=r"a damaged zip .*; export it again"):
        find_submissions(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GradeError, match="holds no files"):
        find_submissions(tmp_path / "empty")
    path = write_zip(tmp_path / "in.zip", CANVAS)
    monkeypatch.setattr(module, "MAX_FILES", 3)
    with pytest.raises(GradeError, match="holds 5 files, more than 3"):
        find_submissions(path)


def test_a_file_that_changes_amid_grading_stops_the_run(tmp_path):
    (tmp_path / "ann.ipynb").write_bytes(b"{}")
    (ann,) = find_submissions(tmp_path)
    key = digest(ann.read())
    assert content(key, ann) == b"{}"
    (tmp_path / "ann.ipynb").write_bytes(b"[]")
    with pytest.raises(GradeError, match=r"ann\.ipynb: changed while it was graded"):
        content(key, ann)
    (tmp_path / "ann.ipynb").unlink()
    with pytest.raises(GradeError, match="changed while it was graded"):
        content(key, ann)


def test_submissions_can_be_sorted(tmp_path):
    one = Submission("ann", "a", tmp_path)
    assert sorted([Submission("ben", "b", tmp_path), one])[0] == one
