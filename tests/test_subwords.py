"""Our segmentations against SentencePiece, HF tokenizers and brute force."""

import io
import json
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from helpers import datasets
from helpers.subwords import (
    BPE,
    MARK,
    Lattices,
    PairCounts,
    PieceIds,
    Unigram,
    WordPiece,
    count_words,
    forward_backward,
    join_pieces,
    maximize,
    merge_pair,
    normalize,
    seed_pieces,
    split_words,
    train_bpe,
    train_unigram,
    train_wordpiece,
    viterbi,
)

WORDS = st.dictionaries(
    st.text("abc", min_size=1, max_size=9), st.integers(1, 30), min_size=1, max_size=8
)
SENTENCES = [
    "The phone rang; I phoned the telephone company, 42 times.",
    "Low, lower, lowest; new, newer, newest -- who knows the newness of news?",
    "She sells sea shells: the shells she sells are sea shells, I'm sure (sure!).",
    "Aaaah! Haaaaahaaa... bananas, ananas, an ananas and banana bandanas",
    "三国演义\uff1a话说天下大势\uff0c分久必合\uff0c合久必分。三国归晋\uff0c天下大势。",
    "Ещё раз: раз, два, три. Über größere Straßen fährt man länger",
]


def sentencepiece_model(texts, kind, size):
    """SentencePiece with its defaults, but every character in the vocabulary."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type=kind,
        vocab_size=size,
        character_coverage=1.0,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


def sentencepiece_pieces(model):
    """Pieces with scores, without <unk>, <s> and </s>."""
    return {model.id_to_piece(i): model.get_score(i) for i in range(3, len(model))}


@pytest.fixture(scope="module")
def botchan():
    return datasets.load_botchan()


# ------------------------------------------------------------------ pieces and text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("I don't.", ["▁I", "▁don", "'", "t", "."]),
        ("2nd  x2", ["▁2", "nd", "▁x", "2"]),
        ("▁a▁", ["▁a"]),
        ("三国演义\uff1a话说", ["▁三国演义", ":", "话说"]),
        ("日本のカメラー", ["▁日本のカメラー"]),
        ("e\u0301a q\u0323\u0302r", ["▁éa", "▁q\u0323\u0302r"]),
        ("\u0308 \u0308a", ["▁\u0308", "▁\u0308", "a"]),
        ("ﬁve \uff12 apples", ["▁five", "▁2", "▁apples"]),
    ],
)
def test_words(text, words):
    assert split_words(text) == words


@settings(deadline=None)
@given(st.text())
def test_words_give_back_the_normal_form_which_is_stable(text):
    normal = normalize(text)
    assert normalize(normal) == normal
    assert join_pieces(split_words(text)) == normal
    assert all(split_words(text))


MODELS = [
    train_bpe(count_words(SENTENCES), 60),
    train_unigram(count_words(SENTENCES), 110),
    BPE([], []),
]


@settings(deadline=None)
@given(st.text() | st.text("theslan wo三国天下.▁ \n"))
def test_any_text_survives_pieces_and_ids(text):
    for model in MODELS:
        pieces = model.encode(text)
        assert join_pieces(pieces) == normalize(text)
        assert "" not in pieces
        ids = PieceIds(model.pieces)
        assert ids.decode(ids.encode(pieces)) == normalize(text)


def test_known_pieces_have_one_id_and_unknown_ones_their_bytes():
    ids = PieceIds(["▁a", "b"])
    assert ids.encode(["▁a", "é", "b"]) == [256, *"é".encode(), 257]
    assert len(ids) == 258
    assert ids.decode([0xC3, 257]) == "\ufffdb"
    with pytest.raises(ValueError, match="'b' occurs twice"):
        PieceIds(["a", "b", "b"])


# ------------------------------------------------------------------ byte-pair encoding


def count_anew(words, weights):
    counts = Counter()
    for symbols, n in zip(words, weights, strict=True):
        for pair in pairwise(symbols):
            counts[pair] += n
    return counts


@settings(deadline=None)
@given(WORDS, st.randoms())
def test_incremental_counts_equal_counts_anew(words, random):
    pairs = PairCounts(words)
    expected = [list(word) for word in words]
    while before := +pairs.counts:
        pair = random.choice(sorted(before))
        changed = pairs.merge(pair, "".join(pair))
        expected = [merge_pair(symbols, pair, "".join(pair)) for symbols in expected]
        assert pairs.words == expected
        anew = count_anew(expected, words.values())
        assert +pairs.counts == anew
        assert changed == {p for p in before | anew if before[p] != anew[p]}
        symbols = Counter()
        for parts, n in zip(expected, words.values(), strict=True):
            for part in parts:
                symbols[part] += n
        assert +pairs.symbols == symbols


@settings(deadline=None)
@given(WORDS)
def test_merges_are_those_of_counting_anew_each_time(words):
    model = train_bpe(words, 30, max_length=5)
    symbols, learned = [list(word) for word in words], []
    while len(learned) < 30:
        counts = count_anew(symbols, words.values())
        allowed = [
            (-n, len(a + b), a + b, (a, b))
            for (a, b), n in counts.items()
            if len(a + b) <= 5
        ]
        if not allowed:
            break
        *_, piece, pair = min(allowed)
        learned.append(pair)
        symbols = [merge_pair(s, pair, piece) for s in symbols]
    assert model.merges == learned
    assert (
        model.first(3).pieces
        == model.characters
        + model.pieces[
            len(model.characters) : len(model.characters) + min(3, len(learned))
        ]
    )


@pytest.mark.parametrize("merges", [5, 40, 100])
def test_small_bpe_equals_sentencepiece(merges):
    ours = train_bpe(count_words(SENTENCES), merges)
    theirs = sentencepiece_model(SENTENCES, "bpe", 3 + len(ours.pieces))
    expected = list(sentencepiece_pieces(theirs))
    n = len(ours.merges)
    assert [a + b for a, b in ours.merges] == expected[:n]
    assert set(ours.characters) == set(expected[n:])
    for text in SENTENCES:
        assert ours.encode(text) == theirs.encode(text, out_type=str)


@pytest.mark.data
def test_bpe_of_a_book_equals_sentencepiece(botchan):
    ours = train_bpe(count_words(botchan), 3000)
    theirs = sentencepiece_model(botchan, "bpe", 3 + len(ours.pieces))
    assert [a + b for a, b in ours.merges] == list(sentencepiece_pieces(theirs))[:3000]
    for line in botchan:
        assert ours.encode(line) == theirs.encode(line, out_type=str)


@pytest.mark.data
def test_bpe_of_chinese_equals_sentencepiece():
    text = "".join(datasets.load_sanguo()[:12])
    lines = [line for line in re.split("(?<=[。\uff01\uff1f])|\n", text) if line]
    ours = train_bpe(count_words(lines), 800)
    theirs = sentencepiece_model(lines, "bpe", 3 + len(ours.pieces))
    assert [a + b for a, b in ours.merges] == list(sentencepiece_pieces(theirs))[:800]
    for line in lines[:2000]:
        assert ours.encode(line) == theirs.encode(line, out_type=str)


@pytest.mark.data
def test_hf_merges_differ_only_where_pairs_tie(botchan):
    words = count_words(botchan)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ours = train_bpe(words, 600)
    tokenizer.train_from_iterator(
        (" ".join(split_words(line)) for line in botchan),
        trainers.BpeTrainer(vocab_size=len(ours.pieces), show_progress=False),
    )
    theirs = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    assert len(theirs) == 600
    pairs = PairCounts(words)
    first = next(i for i in range(600) if theirs[i] != ours.merges[i])
    for i, pair in enumerate(theirs):
        assert pairs.counts[pair] == max(pairs.counts.values())
        if i == first:
            assert pairs.counts[ours.merges[i]] == pairs.counts[pair]
        pairs.merge(pair, "".join(pair))


def test_bpe_segments_like_hf_given_our_merges():
    ours = train_bpe(count_words(SENTENCES), 80)
    vocabulary = {piece: i for i, piece in enumerate(ours.pieces)}
    theirs = Tokenizer(models.BPE(vocabulary, ours.merges))
    for word in count_words(SENTENCES):
        assert ours.segment(word) == theirs.encode(word).tokens


def test_any_two_pieces_join_that_spell_a_learned_one():
    model = BPE("abc", [("b", "c"), ("a", "bc"), ("a", "b")])
    assert model.segment("abcab") == ["abc", "ab"]
    assert BPE("ab", [("a", "b"), ("b", "b"), ("a", "bb")]).segment("abb") == ["abb"]


def test_training_needs_words():
    with pytest.raises(ValueError, match="no words"):
        train_bpe({}, 3)
    with pytest.raises(ValueError, match="no words"):
        train_unigram({}, 3)
    with pytest.raises(ValueError, match="no words"):
        Lattices({}, ["a"])


# ------------------------------------------------------------------ WordPiece


@settings(deadline=None)
@given(
    st.sets(st.text("ab", min_size=1, max_size=4), max_size=8),
    st.sets(st.text("ab", min_size=1, max_size=4), max_size=8),
    st.text("abc", min_size=1, max_size=14),
)
def test_longest_match_equals_hf(begin, inside, word):
    pieces = ["[UNK]", *sorted(begin), *("##" + piece for piece in sorted(inside))]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    theirs = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    assert WordPiece(pieces[1:]).segment(word) == theirs.encode(word).tokens


@settings(deadline=None)
@given(WORDS)
def test_wordpiece_takes_the_best_score_each_time(words):
    learned = train_wordpiece(words, 6, min_count=2).pieces
    symbols = [[w[0], *("##" + c for c in w[1:])] for w in words]
    found = sorted({s for parts in symbols for s in parts})
    weights = list(words.values())
    for _ in range(6):
        counts, singles = count_anew(symbols, weights), Counter()
        for parts, n in zip(symbols, weights, strict=True):
            for part in parts:
                singles[part] += n
        frequent = [
            (-n / (singles[a] * singles[b]), -n, a + b[2:], (a, b))
            for (a, b), n in counts.items()
            if n >= 2
        ]
        if not frequent:
            break
        *_, piece, pair = min(frequent)
        found.append(piece)
        symbols = [merge_pair(parts, pair, piece) for parts in symbols]
    assert learned == list(dict.fromkeys(found))


# ------------------------------------------------------------------ the unigram model


def all_segmentations(word):
    """Every way to cut a word, as a list of lists."""
    if not word:
        return [[]]
    return [
        [word[:end], *rest]
        for end in range(1, len(word) + 1)
        for rest in all_segmentations(word[end:])
    ]


def random_scores(seed, words, longest=4, share=0.6):
    """Log probabilities of random substrings of the words, and all characters."""
    rng = np.random.default_rng(seed)
    pieces = sorted(
        {w[a:b] for w in words for a in range(len(w)) for b in range(a + 1, len(w) + 1)}
    )
    kept = [
        p for p in pieces if len(p) == 1 or (len(p) <= longest and rng.random() < share)
    ]
    p = rng.dirichlet(np.ones(len(kept)))
    return dict(zip(kept, np.log(p).tolist(), strict=True))


@pytest.mark.parametrize("word", ["abcabca", "banana", "aaaaaaa", "z"])
def test_viterbi_and_forward_backward_equal_enumeration(word):
    scores = random_scores(len(word), [word])
    paths = [s for s in all_segmentations(word) if all(p in scores for p in s)]
    log_p = np.array([sum(scores[p] for p in path) for path in paths])
    best, score = viterbi(word, scores)
    assert best == paths[log_p.argmax()]
    assert score == pytest.approx(log_p.max())
    total, expected = forward_backward(word, scores)
    assert total == pytest.approx(np.log(np.exp(log_p).sum()))
    counts = Counter()
    for path, p in zip(paths, np.exp(log_p - total), strict=True):
        for piece in path:
            counts[piece] += p
    assert expected == pytest.approx(dict(counts))


def test_words_that_cannot_be_spelled():
    assert viterbi("ab", {"a": -1.0}) == (["ab"], -np.inf)
    assert viterbi("ab", {"a": -1.0}, unknown=-9.0) == (["a", "b"], -10.0)
    assert forward_backward("ab", {"a": -1.0}) == (-np.inf, {})
    with pytest.raises(ValueError, match=r"can't spell 'ab'.*\['b'\]"):
        Lattices({"a": 1, "ab": 2}, ["a", "ab"])
    with pytest.raises(ValueError, match="needs pieces"):
        Unigram({})


def test_lattices_sum_forward_backward_over_words():
    words = {"banana": 3, "b": 1, "nab": 5, "aaaa": 2}
    scores = random_scores(8, words)
    total, expected = 0.0, Counter()
    for word, n in words.items():
        log_p, counts = forward_backward(word, scores)
        total += n * log_p
        for piece, count in counts.items():
            expected[piece] += n * count
    got_total, got = Lattices(words, list(scores)).expected_counts(
        np.array(list(scores.values()))
    )
    assert got.shape == (len(scores),)
    assert got_total == pytest.approx(total)
    assert got == pytest.approx([expected[piece] for piece in scores])


@settings(deadline=None, max_examples=40)
@given(WORDS, st.integers(0, 2**16))
def test_em_never_lowers_the_likelihood(words, seed):
    scores = random_scores(seed, words)
    lattices = Lattices(words, list(scores))
    log_p, before = np.array(list(scores.values())), -np.inf
    for _ in range(8):
        likelihood, expected = lattices.expected_counts(log_p)
        assert likelihood >= before - 1e-9 * (1 + abs(likelihood))
        spelled = sum(n * len(word) for word, n in words.items())
        lengths = np.array([len(piece) for piece in lattices.pieces])
        assert expected @ lengths == pytest.approx(spelled)
        log_p, before = maximize(expected), likelihood
    assert np.exp(log_p).sum() == pytest.approx(1)


def test_seeds_are_characters_and_the_weightiest_substrings():
    seeds = seed_pieces({"abab": 2, "xy": 1, "q": 3}, 7)
    assert seeds == {"a": 4, "b": 4, "x": 1, "y": 1, "q": 3, "ab": 4, "abab": 2}


def test_trained_unigram_is_a_distribution_of_the_size_asked_for():
    words = count_words(SENTENCES)
    characters = {c for word in words for c in word}
    model = train_unigram(words, 120)
    assert len(model.pieces) == 120
    assert characters < set(model.pieces)
    assert sum(np.exp(list(model.scores.values()))) == pytest.approx(1)
    assert list(model.scores.values()) == sorted(model.scores.values(), reverse=True)
    with pytest.raises(ValueError, match=f"size is 10.*{len(characters)} different"):
        train_unigram(words, 10)


@pytest.mark.data
def test_viterbi_equals_sentencepiece_given_its_scores(botchan):
    theirs = sentencepiece_model(botchan, "unigram", 1000)
    ours = Unigram(sentencepiece_pieces(theirs))
    differ = 0
    for line in botchan:
        got, expected = ours.encode(line), theirs.encode(line, out_type=str)
        if (
            got != expected
        ):  # SentencePiece adds up in single precision: ties fall apart
            differ += 1
            scores = [sum(map(ours.scores.get, p)) for p in (got, expected)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert differ < 20


@pytest.mark.data
def test_our_unigram_needs_no_more_pieces_than_sentencepiece(botchan):
    theirs = sentencepiece_model(botchan, "unigram", 1003)
    ours = train_unigram(count_words(botchan), 1000)
    lengths = [sum(len(m.encode(line)) for line in botchan) for m in (ours, theirs)]
    assert lengths[0] < 1.02 * lengths[1]
    assert ours.encode("a telescope")[0] == MARK + "a"
