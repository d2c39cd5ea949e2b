"""Outputs agree within the tolerance that a tag names, and only there."""

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.course.compare import agree, same_text, snap, tolerance


def stream(text: str, name: str = "stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def figure(png: str):
    data = {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": png}
    return nbformat.v4.new_output("display_data", data=data)


@pytest.mark.parametrize(
    ("new", "old", "same"),
    [
        ("loss 2.3001", "loss 2.3000", True),
        ("loss 2.31", "loss 2.30", False),
        ("loss -2.3", "loss 2.3", False),
        ("gain 2.3000", "loss 2.3000", False),  # the words count
        ("3 of 4 words", "3 of 5 words", False),  # an integer is exact
        ("word2vec 1.0001", "word2vec 1.0000", True),  # 2 is part of a name
        ("[ 1.0001 -2.]", "[1.0000    -2.]", True),  # padding does not count
        ("1.0 2.0", "1.0", False),
        ("1e-3", "1.0001e-3", True),
        ("1e-3", "1e-4", False),
        ("nan", "1.0", False),
        ("nan", "nan", True),
    ],
)
def test_same_text_within_a_thousandth(new, old, same):
    assert same_text(new, old, rtol=1e-3) is same


def test_without_a_tolerance_text_is_compared_to_the_letter():
    assert not same_text("loss 2.3001", "loss 2.3000")


def test_absolute_tolerance_is_for_values_around_zero():
    assert not same_text("bias 0.0000002", "bias 0.0000001", rtol=1e-3)
    assert same_text("bias 0.0000002", "bias 0.0000001", atol=1e-6)


@given(st.floats(-1e6, 1e6), st.floats(-0.9, 0.9))
def test_any_number_agrees_with_itself_moved_within_the_tolerance(x, share):
    moved = x + share * 1e-3 * abs(x)
    assert same_text(f"x = {moved:.12f}", f"x = {x:.12f}", rtol=1e-3, atol=1e-11)


def test_tags_that_are_no_tolerance_are_passed_over():
    tags = ["rtol=1e-3", "atol=1e-06", "rtolerance=2", "solution", "rtol=no"]
    assert tolerance(tags) == {"rtol": 1e-3, "atol": 1e-6}


def test_pictures_stderr_and_the_cutting_of_streams_do_not_count():
    new = [stream("a\n"), stream("warning", "stderr"), figure("AAAA"), stream("b\n")]
    old = [stream("a\nb\n"), figure("BBBB")]
    assert agree(new, old)
    assert not agree(new[:-1], old)
    assert not agree(new[:-2], old)


def test_an_error_is_a_difference():
    error = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    assert not agree([stream("a"), error], [stream("a")])


def test_snap_leaves_only_true_differences():
    old = [stream("a 1.000\n"), figure("AAAA")]
    new = [stream("a 1.0001\n"), figure("BBBB")]
    assert snap(new, old, rtol=1e-3)[0].text == "a 1.000\n"
    assert snap([stream("a 1.1\n"), figure("B")], old, rtol=1e-3)[0].text == "a 1.1\n"
    assert new[0].text == "a 1.0001\n"
