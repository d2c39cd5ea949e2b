"""fastText against gensim, torch's autograd and its own plain definition."""

from itertools import chain

import numpy as np
import pytest
import torch
from gensim.models.fasttext import FastTextKeyedVectors
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import softplus

from helpers.fasttext import Parts, SubwordLearner, hash_ngram, ngrams, train_fasttext
from helpers.text import Corpus
from helpers.word2vec_stream import Stream

words_of_any_script = st.text(st.characters(codec="utf-8"), max_size=12)


@given(words_of_any_script, st.integers(1, 4), st.integers(0, 3))
def test_ngrams_and_hashes_are_gensims(word, min_n, more):
    theirs = compute_ngrams_bytes(word, min_n, min_n + more)
    ours = ngrams(word, min_n, min_n + more)
    assert [ngram.encode() for ngram in ours] == theirs
    assert list(map(hash_ngram, ours)) == list(map(ft_hash_bytes, theirs))


def test_ngrams_by_hand():
    assert ngrams("her") == ["<he", "<her", "<her>", "her", "her>", "er>"]
    assert ngrams("a", 1, 2) == ["<a", "a", "a>"]


@given(
    st.lists(words_of_any_script, min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 50),
)
def test_parts_of_many_words_are_those_of_each(words, min_n, more, buckets):
    parts = Parts.from_words(words, min_n, min_n + more, buckets)
    expected = []
    for i, word in enumerate(words):
        hashes = map(hash_ngram, ngrams(word, min_n, min_n + more))
        expected.append([i] + [len(words) + value % buckets for value in hashes])
    assert parts.sizes.tolist() == [len(rows) for rows in expected]
    assert parts.rows.tolist() == list(chain.from_iterable(expected))

    some = np.random.default_rng(0).integers(len(words), size=9)
    rows, owners, starts = parts.of(some)
    assert rows.tolist() == list(chain.from_iterable(expected[i] for i in some))
    assert owners.tolist() == [k for k, i in enumerate(some) for _ in expected[i]]
    assert starts.tolist() == [owners.tolist().index(k) for k in range(9)]


TOPICS = [("glori", "plumb"), ("crank", "yarnow"), ("tesk", "vim")]


def make_corpus(n_documents=300):
    """Documents of one topic each; a topic's words have one of two stems."""
    rng = np.random.default_rng(0)
    topics = [
        [stem + end for stem in stems for end in ("", "s", "ed", "ing", "er")]
        for stems in TOPICS
    ]
    chosen = rng.integers(len(topics), size=n_documents)
    return Corpus.from_documents([rng.choice(topics[t], 20).tolist() for t in chosen])


def test_a_step_follows_autograd():
    """The whole step of the mean goes to each part, as if hidden were their sum."""
    corpus, buckets, dim, rate = make_corpus(20), 60, 7, 0.3
    words = corpus.vocabulary.words
    stream = Stream(corpus, "skipgram", 3, 5, 1e9, 0, torch.device("cpu"))
    parts = Parts.from_words(words, 3, 6, buckets)
    learner = SubwordLearner(stream, parts, len(words) + buckets, dim)
    torch.manual_seed(0)
    learner.inputs = torch.randn(len(words) + buckets, dim)
    learner.outputs = torch.randn(len(words), dim)
    learner.input_limits = 2 * rate * torch.rand(len(words) + buckets, 1)
    learner.output_limits = torch.full((len(words), 1), torch.inf)
    table, outputs = (
        matrix.double().requires_grad_() for matrix in (learner.inputs, learner.outputs)
    )
    batch = next(stream.batches(0))

    sums, means = [], []
    for i, word in enumerate(words):
        hashes = map(hash_ngram, ngrams(word))
        own = table[[i] + [len(words) + value % buckets for value in hashes]]
        sums.append(own.sum(0))
        means.append(own.mean(0))
    sums, means = torch.stack(sums), torch.stack(means)
    hidden = (means.detach() + sums - sums.detach())[batch.inputs]
    scores = hidden @ outputs[batch.outputs].mT
    losses = softplus(scores)
    losses[..., : batch.n_positive] = softplus(-scores[..., : batch.n_positive])
    (losses * batch.weights).sum().backward()
    expected = table - learner.input_limits.clamp(max=rate) * table.grad
    assert (table.grad != 0).any(1).sum() > 50

    found, _ = learner.look_up(batch.inputs)
    torch.testing.assert_close(found, means[batch.inputs].float())
    learner.step(batch, rate)
    torch.testing.assert_close(learner.inputs, expected.float(), atol=1e-4, rtol=1e-4)
    moved = (outputs - rate * outputs.grad).float()
    torch.testing.assert_close(learner.outputs, moved, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def trained():
    settings = {"dim": 8, "buckets": 200, "sample": 1.0, "learning_rate": 0.1}
    return train_fasttext(make_corpus(), seed=0, epochs=20, **settings)


def test_vectors_of_known_and_unknown_words_are_gensims(trained):
    words = trained.vectors.words
    theirs = FastTextKeyedVectors(8, trained.min_n, trained.max_n, bucket=200)
    theirs.add_vectors(words, np.zeros((len(words), 8)))
    theirs.recalc_char_ngram_buckets()
    theirs.vectors_vocab, theirs.vectors_ngrams = np.split(trained.table, [len(words)])
    theirs.vectors = np.zeros((len(words), 8), dtype=np.float32)
    theirs.adjust_vectors()
    for word in [*words, "glorious", "crankily", "naïve", "x"]:
        np.testing.assert_allclose(
            trained.vector(word), theirs[word], atol=1e-5, strict=True
        )


def test_training_finds_the_topics_of_known_and_unknown_words(trained):
    for word in [*trained.vectors.words, "glorious", "unplumbed", "crankish"]:
        (stems,) = (topic for topic in TOPICS if any(stem in word for stem in topic))
        nearest = [near for near, _ in trained.neighbours(word, 9)]
        assert word not in nearest
        assert all(near.startswith(stems) for near in nearest), word


def test_high_rates_stay_finite():
    fast = train_fasttext(make_corpus(), seed=0, dim=8, epochs=10, learning_rate=0.3)
    assert np.abs(fast.table).max() < 20


def test_one_thread_gives_the_same_bits_and_another_seed_does_not():
    def train(seed):
        return train_fasttext(
            make_corpus(), seed=seed, dim=8, buckets=50, epochs=1, threads=1
        )

    first, again, other = train(1), train(1), train(2)
    assert first.table.dtype == first.vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(first.table, again.table, strict=True)
    assert (first.table != other.table).any()


def test_a_word_without_ngrams_is_named(trained):
    with pytest.raises(KeyError, match="no vector for ''"):
        trained.vector("")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"min_n": 0}, "min_n = 0"),
        ({"min_n": 4, "max_n": 3}, "max_n = 3, but it must be at least min_n = 4"),
        ({"buckets": 0}, "buckets = 0"),
        ({"dim": 0}, "dim = 0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        train_fasttext(make_corpus(), seed=0, **setting)
