from collections import Counter
from itertools import pairwise, product
from math import log
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus.reader.wordnet import information_content

from helpers import datasets
from helpers.taxonomy import (
    VERB_ROOT,
    Taxonomy,
    WordNetSimilarity,
    sense_counts,
    wordnet_parents,
)


@pytest.fixture(scope="module")
def wn():
    return datasets.load_wordnet()


@pytest.fixture(scope="module")
def pairs(wn):
    """300 pairs of nouns and 300 of verbs: every other one is of distant relations."""
    rng = np.random.default_rng(1)
    chosen = {}
    for pos in "nv":
        synsets = sorted(wn.all_synsets(pos), key=lambda s: s.name())
        chosen[pos] = []
        for i in range(300):
            a, b = (synsets[k] for k in rng.integers(len(synsets), size=2))
            if CYCLE & names_above(a, b):
                continue
            if i % 2:
                way = a.hypernym_paths()[0]
                b = way[rng.integers(len(way))]
                for _ in range(rng.integers(4)):
                    below = b.hyponyms()
                    b = below[rng.integers(len(below))] if below else b
            chosen[pos].append((a, b))
    assert min(map(len, chosen.values())) > 280
    return chosen


CYCLE = {"restrain.v.01", "inhibit.v.04"}


def names_above(*synsets):
    names, frontier = set(), list(synsets)
    while frontier:
        names |= {s.name() for s in frontier}
        above = [h for s in frontier for h in s.hypernyms() + s.instance_hypernyms()]
        frontier = [h for h in above if h.name() not in names]
    return names


def ways_to_the_top(synset):
    return len(synset.hypernym_paths())


@pytest.fixture(scope="module")
def text():
    return [word for s in datasets.load_brown()[::40] for word in s]


@pytest.fixture(scope="module")
def nltk_ic(wn, text):
    return wn.ic(SimpleNamespace(words=lambda: text))


@pytest.fixture(scope="module")
def similarity(wn, text):
    return WordNetSimilarity(wn, Counter(text))


@pytest.mark.data
def test_depth_is_nltks_longest_way(pairs):
    taxonomy = Taxonomy(wordnet_parents)
    for pos, above in [("n", 0), ("v", 1)]:  # verbs hang below one more root
        for a, _ in pairs[pos]:
            assert taxonomy.depth(a) == a.max_depth() + above


@pytest.mark.data
def test_lowest_common_subsumers_are_nltks(pairs):
    taxonomy = Taxonomy(wordnet_parents)
    several = 0
    for a, b in pairs["n"] + pairs["v"]:
        found = taxonomy.lowest_common_subsumers(a, b)
        expected = a.lowest_common_hypernyms(b)
        assert set(found) == (set(expected) or {VERB_ROOT})
        several += ways_to_the_top(a) > 1
    assert several > 30


@pytest.mark.data
def test_path_is_nltks(pairs):
    taxonomy = Taxonomy(wordnet_parents)
    for a, b in pairs["n"]:
        assert taxonomy.path(a, b) == pytest.approx(a.path_similarity(b))
    for a, b in pairs["v"]:  # nltk takes the longest way to the root it adds
        if ways_to_the_top(a) == ways_to_the_top(b) == 1:
            assert taxonomy.path(a, b) == pytest.approx(a.path_similarity(b))


@pytest.mark.data
def test_wup_is_nltks_on_nouns_with_one_way_to_the_top(pairs):
    taxonomy = Taxonomy(wordnet_parents)
    simple = [
        (a, b) for a, b in pairs["n"] if ways_to_the_top(a) == ways_to_the_top(b) == 1
    ]
    assert len(simple) > 100
    for a, b in simple:
        assert taxonomy.wup(a, b) == pytest.approx(a.wup_similarity(b))


@pytest.mark.data
def test_a_sense_is_like_itself_where_nltk_is_odd(wn):
    dog = wn.synset("dog.n.01")
    assert dog.wup_similarity(dog) == pytest.approx(0.93, abs=0.01)
    assert Taxonomy(wordnet_parents).wup(dog, dog) == 1.0


@pytest.mark.data
def test_information_is_nltks_where_one_way_leads_up(wn, similarity, nltk_ic):
    counted = {"n": 0, "v": 0}
    for pos, synsets in ((p, list(wn.all_synsets(p))) for p in "nv"):
        twice = set()  # above a synset with several parents: nltk may count it twice
        for synset in synsets:
            if len(synset.hypernyms() + synset.instance_hypernyms()) > 1:
                twice |= names_above(synset)
        taxonomy = similarity.taxonomies[pos]
        for synset in synsets[::7]:
            ours, theirs = (
                taxonomy.information(synset),
                information_content(synset, nltk_ic),
            )
            if synset.name() in twice | CYCLE:
                assert ours >= theirs - 1e-9
            else:
                assert ours == pytest.approx(theirs)
                counted[pos] += ours < log(nltk_ic[pos][0]) - 1e-9
    assert min(counted.values()) > 200
    assert information_content(wn.synset("entity.n.01"), nltk_ic) < 0  # nltk's oddity
    assert similarity.taxonomies["n"].information(wn.synset("entity.n.01")) == 0


@pytest.mark.data
def test_resnik_and_lin_are_nltks_given_nltks_information(wn, pairs, nltk_ic):
    taxonomy = Taxonomy(wordnet_parents, {})
    taxonomy.information = lambda node: (
        0.0 if node == VERB_ROOT else information_content(node, nltk_ic)
    )
    for a, b in pairs["n"] + pairs["v"]:
        assert taxonomy.resnik(a, b) == pytest.approx(a.res_similarity(b, nltk_ic))
        assert taxonomy.lin(a, b) == pytest.approx(a.lin_similarity(b, nltk_ic))


@pytest.mark.data
def test_word_counts_are_shared_among_senses(wn):
    counts = sense_counts(wn, {"Mice": 3, "mouse": 3, "qwertyish": 50})
    assert sum(counts.values()) == pytest.approx(6)
    synsets = wn.synsets("mouse")
    # "Mice" may be the noun only; "mouse" is a verb as well.
    nouns = [s for s in synsets if s.pos() == "n"]
    expected = 3 / len(nouns) + 3 / len(synsets)
    assert counts[wn.synset("mouse.n.01")] == pytest.approx(expected)
    assert counts[wn.synset("mouse.v.02")] == pytest.approx(3 / len(synsets))


@pytest.mark.data
def test_words_are_as_alike_as_their_closest_senses(wn, similarity):
    def closest(a, b, pos):
        return max(
            s.path_similarity(t) for s in wn.synsets(a, pos) for t in wn.synsets(b, pos)
        )

    assert similarity("bank", "money", "path") == closest("bank", "money", "n")
    assert similarity("sofa", "Couch", "lin") == pytest.approx(1)
    assert similarity("mice", "mouse", "wup") == 1
    assert similarity("learn", "teach", "path") == closest("learn", "teach", "v")
    assert similarity("old", "happily") is None
    assert similarity("unfriending", "friend") is None


@pytest.mark.data
def test_errors_name_the_remedy(wn):
    similarity = WordNetSimilarity(wn)
    with pytest.raises(ValueError, match="'cosine'; there are 'path'"):
        similarity("cat", "dog", "cosine")
    with pytest.raises(ValueError, match="build it with counts"):
        similarity("cat", "dog", "lin")


def test_a_cycle_is_refused():
    taxonomy = Taxonomy({1: [2], 2: [3], 3: [2]}.get)
    assert taxonomy.ancestors(1) == {1: 0, 2: 1, 3: 2}
    for ask in (taxonomy.ancestors, taxonomy.depth):
        with pytest.raises(ValueError, match="2 is above itself"):
            ask(2)
    with pytest.raises(ValueError, match="above itself"):
        taxonomy.depth(1)


@st.composite
def graphs(draw):
    """Up to ten nodes, each with up to three parents of smaller number, and counts."""
    n = draw(st.integers(1, 10))
    parents = {
        i: draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else []
        for i in range(n)
    }
    counts = draw(st.dictionaries(st.integers(0, n - 1), st.floats(0, 100), max_size=n))
    return parents, counts


@settings(deadline=None)
@given(graphs())
def test_any_graph_against_networkx(case):
    parents, counts = case
    taxonomy = Taxonomy(parents.get, counts)
    up = nx.DiGraph([(c, p) for c, above in parents.items() for p in above])
    up.add_nodes_from(parents)
    whole = 1 + sum(counts.values())
    depth, info = {}, {}
    for node in parents:
        tops = [n for n in up if up.out_degree(n) == 0]
        ways = [w for t in tops for w in nx.all_simple_paths(up, node, t)]
        depth[node] = max((len(way) - 1 for way in ways), default=0)
        below = nx.ancestors(up, node) | {node}
        info[node] = -log((1 + sum(counts.get(n, 0) for n in below)) / whole)
        assert taxonomy.depth(node) == depth[node]
        assert taxonomy.information(node) == pytest.approx(info[node], abs=1e-9)
    for a, b in product(parents, repeat=2):
        to_a, to_b = (nx.single_source_shortest_path_length(up, n) for n in (a, b))
        assert taxonomy.ancestors(a) == to_a
        common = set(to_a) & set(to_b)
        lowest = {c for c in common if depth[c] == max(map(depth.get, common))}
        assert set(taxonomy.lowest_common_subsumers(a, b)) == lowest
        if common:
            steps = min(to_a[c] + to_b[c] for c in common)
            assert taxonomy.path(a, b) == pytest.approx(1 / (1 + steps))
            c = min(lowest, key=lambda c: to_a[c] + to_b[c])
            nodes = depth[c] + 1
            expected = 2 * nodes / (to_a[c] + to_b[c] + 2 * nodes)
            assert taxonomy.wup(a, b) == pytest.approx(expected)
            best = max(info[c] for c in common)
            assert taxonomy.resnik(a, b) == pytest.approx(best, abs=1e-9)
        else:
            assert taxonomy.path(a, b) == taxonomy.wup(a, b) == 0
            assert taxonomy.resnik(a, b) == taxonomy.lin(a, b) == 0


@settings(deadline=None)
@given(graphs())
def test_similarities_are_symmetric_shares_and_1_for_the_same(case):
    parents, counts = case
    taxonomy = Taxonomy(parents.get, counts)
    for measure in (taxonomy.path, taxonomy.wup, taxonomy.lin):
        for a, b in product(parents, repeat=2):
            assert measure(a, b) == measure(b, a)
            assert -1e-12 <= measure(a, b) <= 1 + 1e-12
            if a == b:
                assert measure(a, a) == pytest.approx(1)


def test_ancestors_come_nearest_first():
    taxonomy = Taxonomy({4: [1, 3], 3: [2], 2: [1], 1: [0], 0: []}.get)
    distances = list(taxonomy.ancestors(4).values())
    assert taxonomy.ancestors(4) == {4: 0, 1: 1, 3: 1, 0: 2, 2: 2}
    assert all(a <= b for a, b in pairwise(distances))
    assert taxonomy.depth(4) == 4
