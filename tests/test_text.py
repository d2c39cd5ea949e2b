import pytest

from helpers.text import tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("... -- !?", []),
        ("The cat SAT.", ["the", "cat", "sat"]),
        ("Don't stop at five o'clock", ["don't", "stop", "at", "five", "o'clock"]),
        ("it\u2019s", ["it's"]),
        ("the dogs' 'quoted' words", ["the", "dogs", "quoted", "words"]),
        ("well-known @-@ state_of", ["well", "known", "state", "of"]),
        (
            "In 1913, a co\u00f6perative \u00c9lan",
            ["in", "1913", "a", "co\u00f6perative", "\u00e9lan"],
        ),
    ],
)
def test_tokenize_examples(text, words):
    assert tokenize(text) == words
