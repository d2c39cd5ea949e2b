from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.test.utils import datapath
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine as cosine_distance

from helpers.evaluate import Accuracy, evaluate_analogies, evaluate_similarity
from helpers.vectors import WordVectors, cosine


def read_pairs(name):
    with open(datapath(name), encoding="utf-8") as lines:
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(a, b, float(score)) for a, b, score in rows]


def read_questions(path):
    sections = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(":"):
                rows = sections.setdefault(line[1:].strip(), [])
            else:
                rows.append(tuple(line.split()))
    return sections


@pytest.fixture(scope="module")
def questions_file(tmp_path_factory):
    """The analogy file's sections with every tenth question, for gensim is slow."""
    lines = Path(datapath("questions-words.txt")).read_text("utf-8").splitlines(True)
    kept = [x for i, x in enumerate(lines) if x.startswith(":") or i % 10 == 0]
    path = tmp_path_factory.mktemp("analogies") / "questions.txt"
    path.write_text("".join(kept), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def vectors(questions_file):
    """Lower-case vectors with structure, for 4 in 5 of the test sets' words."""
    rng = np.random.default_rng(0)
    sets = [read_pairs("wordsim353.tsv"), read_pairs("simlex999.txt")]
    sets += read_questions(questions_file).values()
    words = sorted({w.lower() for rows in sets for row in rows for w in row[:2]})
    words = [w for w in words if rng.random() < 0.8]
    letters = np.array([[w.count(c) for c in "aeinorstlcdu"] for w in words])
    return WordVectors(words, letters + 0.3 * rng.normal(size=letters.shape))


@pytest.fixture(scope="module")
def gensim_vectors(vectors):
    keyed = KeyedVectors(vectors.matrix.shape[1], dtype=np.float64)
    keyed.add_vectors(vectors.words, vectors.matrix)
    return keyed


@pytest.mark.parametrize("name", ["wordsim353.tsv", "simlex999.txt"])
def test_similarity_equals_gensim(vectors, gensim_vectors, name):
    pairs = read_pairs(name)
    got = evaluate_similarity(vectors, pairs)
    _, spearman, missing_percent = gensim_vectors.evaluate_word_pairs(datapath(name))
    assert got.rho == pytest.approx(spearman.statistic, abs=1e-12)
    assert len(got.missing) == round(missing_percent / 100 * len(pairs)) > 0
    assert got.scored + len(got.missing) == len(pairs)


def test_analogies_equal_gensim_in_every_section(
    vectors, gensim_vectors, questions_file
):
    questions = read_questions(questions_file)
    got = evaluate_analogies(vectors, questions)
    _, sections = gensim_vectors.evaluate_word_analogies(str(questions_file))
    wanted = {
        s["section"]: (len(s["correct"]), len(s["correct"]) + len(s["incorrect"]))
        for s in sections
    }
    wanted["total"] = wanted.pop("Total accuracy")
    assert {k: (v.correct, v.asked) for k, v in got.items()} == wanted
    assert got["total"].correct > 0
    assert got["total"].asked + got["total"].skipped == sum(
        map(len, questions.values())
    )


def test_analogy_excludes_the_words_of_the_question():
    words = ["man", "king", "woman", "queen"]
    vectors = WordVectors(words, [[1, 0], [0.8, 0.6], [0.98, 0.2], [0.5, 0.9]])
    b_minus_a_plus_c = vectors.unit[1] - vectors.unit[0] + vectors.unit[2]
    assert vectors.neighbours(b_minus_a_plus_c, 1)[0][0] == "king"
    assert vectors.analogy("man", "king", "woman")[0][0] == "queen"
    questions = {"royal": [("Man", "King", "Woman", "Queen"), ("man", "x", "y", "z")]}
    wanted = Accuracy(1, 1, 1)
    assert evaluate_analogies(vectors, questions) == {"royal": wanted, "total": wanted}


def test_single_and_batched_analogies_agree(vectors):
    rng = np.random.default_rng(1)
    questions = rng.integers(len(vectors), size=(30, 3))
    answers = vectors.answer_analogies(questions, batch=7)
    assert answers.shape == (30,)
    for question, answer in zip(questions, answers, strict=True):
        best = vectors.analogy(*(vectors.words[i] for i in question))[0][0]
        assert best == vectors.words[answer]


def test_neighbours_equal_gensim(vectors, gensim_vectors):
    for word in vectors.words[:50]:
        got, wanted = vectors.neighbours(word, 5), gensim_vectors.most_similar(word)[:5]
        assert [w for w, _ in got] == [w for w, _ in wanted]
        np.testing.assert_allclose([s for _, s in got], [s for _, s in wanted])


def test_neighbours_leave_out_what_is_excluded(vectors):
    word, *_ = vectors.words
    (first, _), (second, _) = vectors.neighbours(word, 2)
    assert vectors.neighbours(word, 1, exclude=[first, "zzz"])[0][0] == second
    assert len(vectors.neighbours(word, 10**6)) == len(vectors) - 1
    assert vectors.neighbours(vectors[word], 1)[0] == (word, pytest.approx(1))


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 2), min_size=2, max_size=6))
def test_cosine_is_scipys_and_zero_for_a_zero_vector(rows):
    a, b = np.array(rows).T
    if np.linalg.norm(a) < 1e-9 or np.linalg.norm(b) < 1e-9:
        assert cosine(a, np.zeros_like(b)) == 0
    else:
        assert cosine(a, b) == pytest.approx(1 - cosine_distance(a, b), abs=1e-9)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"2 words \(1 distinct\).*\(2, 3\)"):
        WordVectors(["a", "a"], np.ones((2, 3)))
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(KeyError, match="no vector for 'A'"):
        vectors["A"]
    with pytest.raises(ValueError, match="1 pairs can be scored and 1 lack"):
        evaluate_similarity(vectors, [("a", "b", 1.0), ("a", "c", 2.0)])


def test_most_frequent_words_only(vectors):
    few = vectors.most_frequent(10)
    assert few.words == vectors.words[:10]
    np.testing.assert_array_equal(few.matrix, vectors.matrix[:10], strict=True)
    assert vectors.words[10] not in few
