from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated, Lidstone
from nltk.util import everygrams, ngrams
from scipy.optimize import minimize

from helpers.likelihood import mix, mixture_weights, perplexity
from helpers.ngram import (
    AddAlpha,
    absolute_backoff,
    continuation_counts,
    count_ngrams,
    estimate_discount,
    estimate_modified_discounts,
    fit_jelinek_mercer,
    jelinek_mercer,
    kneser_ney,
    modified_kneser_ney,
)

V = 6


def random_text(seed, n=400, words=V - 1, mean_length=7):
    """Ids of skewed frequency, V - 1 not among them; some documents are empty."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, words + 1)
    ids = rng.choice(words, size=n, p=p / p.sum())
    inner = np.sort(rng.integers(0, n + 1, size=n // mean_length))
    return ids, np.r_[0, inner, n]


def sentences_of(ids, starts):
    """Documents as tuples, each with the start token V in front."""
    return [(V, *ids[a:b].tolist()) for a, b in pairwise(starts)]


class LoopKneserNey:
    """Interpolated Kneser-Ney by definition: dictionaries, sets and recursion."""

    def __init__(self, sentences, order, discounts):
        self.order, self.discounts = order, discounts
        text = [gram for s in sentences for n in range(1, order + 1)
                for gram in ngrams(s, n)]  # fmt: skip
        raw = Counter(text)
        before = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        self.count = {
            gram: n if len(gram) == order or gram[0] == V else len(before[gram])
            for gram, n in raw.items()
            if gram != (V,)
        }
        self.after = defaultdict(list)
        for gram in self.count:
            self.after[gram[:-1]].append(gram)

    def discount(self, n, count):
        row = self.discounts[n - 1]
        return row[min(count, len(row)) - 1]

    def p(self, word, context):
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        shorter = self.p(word, context[1:]) if context else 1 / V
        grams = self.after[context]
        if not grams:
            return shorter
        n, total = len(context) + 1, sum(self.count[g] for g in grams)
        taken = sum(self.discount(n, self.count[g]) for g in grams)
        own = self.count.get((*context, word), 0)
        kept = own - self.discount(n, own) if own else 0
        return kept / total + taken / total * shorter


def loop_backoff(sentences, order, discounts):
    """Back-off by definition; returns p(word, context)."""
    raw = Counter(g for s in sentences for n in range(1, order + 1)
                  for g in ngrams(s, n))  # fmt: skip
    N = sum(c for g, c in raw.items() if len(g) == 1 and g != (V,))

    def p(word, context):
        context = tuple(context)[max(0, len(context) - order + 1) :]
        if not context:
            return (raw[(word,)] + 1) / (N + V)
        seen = {w: raw[(*context, w)] for w in range(V) if raw[(*context, w)]}
        if not seen:
            return p(word, context[1:])
        total, d = sum(seen.values()), discounts[len(context) - 1]
        if len(seen) == V:
            d = 0
        if word in seen:
            return (seen[word] - d) / total
        unseen = sum(p(w, context[1:]) for w in range(V) if w not in seen)
        return d * len(seen) / total * p(word, context[1:]) / unseen

    return p


def contexts_for(ngrams, seed, number=40):
    """Random contexts of all lengths, seen or not, some from the start."""
    rng = np.random.default_rng(seed)
    start = ngrams.start
    contexts = [[], [start], [start, 0], [V - 1], [0, V - 1, 1], [start, V - 1, 0]]
    lengths = rng.integers(1, ngrams.order + 2, size=number)
    return contexts + [rng.integers(0, V, size=n).tolist() for n in lengths]


MODELS = {
    "add-alpha": lambda ngrams: AddAlpha(ngrams, 0.3),
    "Jelinek-Mercer": lambda ngrams: jelinek_mercer(
        ngrams, np.linspace(0.9, 0.2, ngrams.order)
    ),
    "back-off": lambda ngrams: absolute_backoff(
        ngrams, np.linspace(0.3, 0.9, ngrams.order - 1)
    ),
    "Kneser-Ney": lambda ngrams: kneser_ney(
        ngrams, np.linspace(0.2, 0.9, ngrams.order)
    ),
    "modified": lambda ngrams: modified_kneser_ney(
        ngrams, np.linspace([0.3, 0.8, 1.2], [0.9, 1.6, 1.9], ngrams.order)
    ),
}


@pytest.mark.parametrize("order", [1, 2, 4])
def test_counts_equal_a_counter(order):
    ids, starts = random_text(order)
    counted = count_ngrams(ids, order, V, starts)
    texts = sentences_of(ids, starts)
    grams_before = [()]
    for n, table in enumerate(counted.tables, 1):
        expected = Counter(g for s in texts for g in ngrams(s, n))
        if n == 1:
            expected = Counter({(w,): expected[(w,)] for w in range(V)}) | {(V,): 0}
        rows = zip(table.contexts, table.keys % (V + 1), strict=True)
        grams = [(*grams_before[c], int(w)) for c, w in rows]
        assert dict(zip(grams, table.counts.tolist(), strict=True)) == expected
        assert [grams_before[s] for s in table.suffixes] == [g[1:] for g in grams]
        assert np.all(np.diff(table.keys) > 0)
        assert [counted.id_of(g) for g in grams] == list(range(len(grams)))
        grams_before = grams


def test_shorter_counts_are_those_of_a_lower_order():
    ids, starts = random_text(2)
    got = count_ngrams(ids, 4, V, starts).up_to(2)
    want = count_ngrams(ids, 2, V, starts)
    assert got.order == 2
    for a, b in zip(continuation_counts(got), continuation_counts(want), strict=True):
        np.testing.assert_array_equal(a, b)


def test_continuation_counts_equal_sets_of_left_neighbours():
    ids, starts = random_text(1)
    counted = count_ngrams(ids, 3, V, starts)
    reference = LoopKneserNey(sentences_of(ids, starts), 3, np.ones((3, 1)))
    got = continuation_counts(counted)
    grams = [()]
    for table, counts in zip(counted.tables, got, strict=True):
        rows = zip(table.contexts, table.keys % (V + 1), strict=True)
        grams = [(*grams[c], int(w)) for c, w in rows]
        assert counts.tolist() == [reference.count.get(g, 0) for g in grams]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("classes", [1, 3])
def test_kneser_ney_equals_dictionaries_and_recursion(order, classes):
    ids, starts = random_text(order)
    ngram_counts = count_ngrams(ids, order, V, starts)
    rng = np.random.default_rng(order)
    discounts = rng.uniform(0.1, 1, size=(order, classes)) * np.arange(1, classes + 1)
    reference = LoopKneserNey(sentences_of(ids, starts), order, discounts)
    if classes == 1:
        model = kneser_ney(ngram_counts, discounts[:, 0])
    else:
        model = modified_kneser_ney(ngram_counts, discounts)
    for context in contexts_for(ngram_counts, order):
        expected = [reference.p(w, context) for w in range(V)]
        got = model.probabilities(context)
        assert got.shape == (V,)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_discounts_are_estimated_from_the_counts_of_each_order():
    ids, starts = random_text(3, n=4000, words=400)
    ngram_counts = count_ngrams(ids, 3, 400, starts)
    plain, modified = [], []
    for counts in continuation_counts(ngram_counts):
        n1, n2, n3, n4 = (np.sum(counts == k) for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        plain.append(y)
        modified.append([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    for smooth, expected in [(kneser_ney, plain), (modified_kneser_ney, modified)]:
        got, want = smooth(ngram_counts), smooth(ngram_counts, expected)
        for a, b in zip(got.seen, want.seen, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("words", [V - 1, V])  # with V, some contexts see every word
@pytest.mark.parametrize("order", [2, 3, 4])
def test_backoff_equals_dictionaries_and_recursion(order, words):
    ids, starts = random_text(10 + order, words=words)
    ngram_counts = count_ngrams(ids, order, V, starts)
    discounts = np.random.default_rng(order).uniform(0.1, 1, size=order - 1)
    model = absolute_backoff(ngram_counts, discounts)
    p = loop_backoff(sentences_of(ids, starts), order, discounts)
    for context in contexts_for(ngram_counts, order):
        expected = [p(w, context) for w in range(V)]
        np.testing.assert_allclose(model.probabilities(context), expected, rtol=1e-10)


def test_jelinek_mercer_equals_its_formula():
    ids, starts = random_text(20)
    ngram_counts = count_ngrams(ids, 3, V, starts)
    weights = [0.9, 0.6, 0.3]
    model = jelinek_mercer(ngram_counts, weights)
    raw = Counter(g for s in sentences_of(ids, starts) for g in everygrams(s, 1, 3))

    def p(word, context):
        n, lower = len(context) + 1, p(word, context[1:]) if context else 1 / V
        total = sum(raw[(*context, w)] for w in range(V))
        if not total:
            return lower
        w = weights[n - 1]
        return w * raw[(*context, word)] / total + (1 - w) * lower

    for context in contexts_for(ngram_counts, 20):
        expected = [p(w, tuple(context[-2:])) for w in range(V)]
        np.testing.assert_allclose(model.probabilities(context), expected, rtol=1e-12)


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=25)
@given(
    texts=st.lists(st.lists(st.integers(0, V - 1), max_size=8), min_size=1, max_size=9),
    context=st.lists(st.integers(0, V - 1), max_size=4),
    from_start=st.booleans(),
    order=st.integers(2, 4),
)
def test_probabilities_sum_to_one(name, texts, context, from_start, order):
    texts[0] += [0, 1, 2, 3]  # so that n-grams of every order exist
    ids, starts = np.concatenate(texts), np.cumsum([0, *map(len, texts)])
    ngram_counts = count_ngrams(ids.astype(int), order, V, starts)
    context = [V] * from_start + context
    p = MODELS[name](ngram_counts).probabilities(context)
    assert abs(p.sum() - 1) < 1e-12
    assert p.min() > 0


@pytest.mark.parametrize("name", MODELS)
def test_scoring_a_text_equals_asking_for_each_word(name):
    ids, starts = random_text(4)
    model = MODELS[name](count_ngrams(ids, 3, V, starts))
    ids, starts = random_text(5, n=120, words=V)
    expected = [
        np.log(model.probabilities([V, *ids[a:t]])[ids[t]])
        for a, b in pairwise(starts)
        for t in range(a, b)
    ]
    got = model.log_probabilities(ids, starts)
    assert got.shape == (120,)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    whole = model.log_probabilities(ids)
    np.testing.assert_allclose(whole, model.log_probabilities(ids, [0, 120]))


def test_kneser_ney_agrees_with_nltk():
    """Where they agree: nltk has no uniform part, and counts a start but once."""
    ids, starts = random_text(6, n=600, words=V)
    sentences = sentences_of(ids, starts)
    texts = [list(everygrams(tuple(map(str, s)), max_len=3)) for s in sentences]
    theirs = KneserNeyInterpolated(3, discount=0.4)
    theirs.fit(texts, map(str, range(V + 1)))
    ours = kneser_ney(count_ngrams(ids, 3, V, starts), [0, 0.4, 0.4])
    rng = np.random.default_rng(6)
    for context in rng.integers(0, V, size=(30, 2)).tolist():
        words = tuple(map(str, context))
        expected = [theirs.score(str(w), words) for w in range(V)]
        np.testing.assert_allclose(ours.probabilities(context), expected, rtol=1e-9)


def test_add_alpha_agrees_with_nltk():
    ids, starts = random_text(7)
    sentences = sentences_of(ids, starts)
    texts = [list(everygrams(tuple(map(str, s)), max_len=3)) for s in sentences]
    theirs = Lidstone(0.3, 3)
    theirs.fit(texts, map(str, range(V)))
    size = len(theirs.vocab)  # nltk's vocabulary holds a word for unknown ones
    assert size == V + 1
    ours = AddAlpha(count_ngrams(ids, 3, size, starts), 0.3)
    for context in np.random.default_rng(7).integers(0, V, size=(30, 2)).tolist():
        words = tuple(map(str, context))
        expected = [theirs.score(str(w), words) for w in range(V)]
        np.testing.assert_allclose(ours.probabilities(context)[:V], expected)


@pytest.mark.data
@pytest.mark.parametrize(("order", "expected"), [(2, 263.95981), (3, 226.05105)])
def test_perplexity_is_that_of_kenlm(order, expected):
    """`lmplz -o ORDER` of KenLM 0.3.0 on WikiText-2; its "<unk>" is one word more."""
    from helpers.lm_text import load_wikitext2_streams

    vocabulary, streams = load_wikitext2_streams()
    train, test = streams["train"], streams["test"]
    model = modified_kneser_ney(
        count_ngrams(train.ids, order, len(vocabulary) + 1, train.starts)
    )
    log_p = model.log_probabilities(test.ids, test.starts)
    assert perplexity(log_p) == pytest.approx(expected, rel=1e-6)


def test_fitted_weights_are_the_likeliest():
    ids, starts = random_text(8, n=1500)
    development = random_text(9, n=300, words=V)
    ngram_counts = count_ngrams(ids, 3, V, starts)

    def loss(weights):
        model = jelinek_mercer(ngram_counts, weights)
        return -model.log_probabilities(*development).mean()

    found = fit_jelinek_mercer(ngram_counts, *development, tolerance=1e-7)
    best = minimize(loss, [0.5] * 3, bounds=[(0, 0.999)] * 3, method="Nelder-Mead")
    assert found.shape == (3,)
    assert loss(found) <= best.fun + 1e-6
    assert loss(found) < loss([0.5, 0.5, 0.5]) - 1e-3


def test_mixture_weights_are_the_likeliest():
    rng = np.random.default_rng(10)
    log_p = np.log(rng.dirichlet([1, 3, 0.5], size=500))
    log_p[::7, 0] = -np.inf  # impossible under the first model

    def loss(scores):
        weights = np.exp(scores) / np.exp(scores).sum()
        return -np.log(np.exp(log_p) @ weights).mean()

    best = minimize(loss, np.zeros(3))
    weights = mixture_weights(log_p, tolerance=1e-8)
    assert weights.shape == (3,)
    assert weights.sum() == pytest.approx(1)
    assert -mix(log_p, weights).mean() <= best.fun + 1e-9
    assert best.fun < loss(np.zeros(3)) - 1e-2


def test_perplexity_is_the_inverse_geometric_mean():
    p = np.random.default_rng(11).uniform(0.01, 1, size=9)
    assert perplexity(np.log(p)) == pytest.approx(np.prod(1 / p) ** (1 / 9))
    assert perplexity(np.log(np.full(4, 1 / 37))) == pytest.approx(37)


ids, starts = random_text(12)
counted = count_ngrams(ids, 2, V, starts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_ngrams([0, V], 2, V), "must be from 0 to 5"),
        (lambda: count_ngrams([0.5], 2, V), "integers"),
        (lambda: count_ngrams([0], 0, V), "order is 0"),
        (lambda: count_ngrams([0, 1], 4, V), "lower the order"),
        (lambda: count_ngrams([0, 1], 2, V, [0, 1]), "number of ids, 2"),
        (lambda: AddAlpha(counted, 0), "above 0"),
        (lambda: jelinek_mercer(counted, [0.5]), "give 2"),
        (lambda: kneser_ney(counted, [0.5, 1.5]), "above the count"),
        (lambda: modified_kneser_ney(counted, [0.5, 0.5]), r"shape \(2, 3\)"),
        (lambda: estimate_discount([2, 2, 3]), "counts 1"),
        (lambda: estimate_modified_discounts([1, 1, 2]), "counts 3"),
        (lambda: AddAlpha(counted, 1).probabilities([V + 1]), "out of range"),
        (lambda: AddAlpha(counted, 1).log_probabilities([V]), "vocabulary_size 6"),
        (lambda: perplexity([]), "empty"),
        (lambda: mixture_weights([0.1, 0.2]), "tokens, models"),
        (lambda: mixture_weights([[-np.inf, -np.inf]]), "token 0"),
    ],
)
def test_bad_input_is_named_with_its_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
