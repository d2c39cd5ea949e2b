"""How alike two senses or two words are, by their places in a taxonomy.

A taxonomy orders senses from abstract to concrete: each has parents of which it is a
kind. Any acyclic graph will do; `wordnet_parents` gives WordNet's. `Taxonomy` compares
senses, and `WordNetSimilarity` words.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import product
from math import log
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset, WordNetCorpusReader

Node = TypeVar("Node", bound=Hashable)
Measure = Literal["path", "wup", "resnik", "lin"]

VERB_ROOT = "verb root"
"""Joins WordNet's 559 trees of verbs, as nltk's `simulate_root` does."""


class Taxonomy:
    """Nodes and their parents, an acyclic graph; a node may have several parents.

    Nodes are any hashable values. Two nodes without a common ancestor have similarity
    0 by every measure. Ancestors are remembered, so later comparisons are fast.
    """

    def __init__(
        self,
        parents: Callable[[Node], Iterable[Node]],
        counts: Mapping[Node, float] | None = None,
    ):
        """Build a taxonomy.

        Args:
            parents: gives a node's parents; none for a node at the top.
            counts: how often each node occurs in a text, not counting what lies below
                it; needed for `information`, `resnik` and `lin`.
        """
        self._parents = parents
        self._ancestors: dict[Node, dict[Node, int]] = {}
        self._depths: dict[Node, int] = {}
        self._totals = None if counts is None else self._add_up(counts)
        self._all = 1 + sum((counts or {}).values())

    def ancestors(self, node: Node) -> dict[Node, int]:
        """Return the node and all above it, nearest first, each with its distance.

        The distance is the number of links of the shortest way up; the node's own is 0.

        Raises:
            ValueError: if the node is above itself.
        """
        if node not in self._ancestors:
            distances = {node: 0}
            frontier = [node]
            while frontier:
                above = [p for child in frontier for p in self._parents(child)]
                if node in above:
                    raise ValueError(
                        f"{node!r} is above itself; a taxonomy has no cycles: take out "
                        "one of the links"
                    )
                frontier = [p for p in dict.fromkeys(above) if p not in distances]
                distances |= dict.fromkeys(frontier, max(distances.values()) + 1)
            self._ancestors[node] = distances
        return self._ancestors[node]

    def depth(self, node: Node) -> int:
        """Return the number of links of the longest way from the node to the top."""
        if node not in self._depths:
            self.ancestors(node)  # raises in a cycle, where the way has no end
            above = [self.depth(parent) for parent in self._parents(node)]
            self._depths[node] = 1 + max(above, default=-1)
        return self._depths[node]

    def lowest_common_subsumers(self, a: Node, b: Node) -> list[Node]:
        """Return the deepest nodes that are above both, or are one of the two.

        There may be several, of the same depth, if a node has several parents; there is
        none if the nodes have nothing in common. The nearest to a comes first.
        """
        common = self._common(a, b)
        deepest = max(map(self.depth, common), default=0)
        return [node for node in common if self.depth(node) == deepest]

    def path(self, a: Node, b: Node) -> float:
        """Return 1 / (1 + links on the shortest way up from a and down to b).

        Rada et al. (1989), "Development and application of a metric on semantic nets",
        turned from a distance into a similarity as in nltk.
        """
        up, down = self.ancestors(a), self.ancestors(b)
        steps = [up[node] + down[node] for node in self._common(a, b)]
        return 1 / (1 + min(steps)) if steps else 0.0

    def wup(self, a: Node, b: Node) -> float:
        """Return Wu and Palmer's similarity, in (0, 1], or 0 without a common ancestor.

        Wu and Palmer (1994), "Verb semantics and lexical selection", section 4:
        2 N3 / (N1 + N2 + 2 N3), where c is the lowest common subsumer, N3 the number of
        nodes from the top to c, and N1 and N2 the links from a and from b to c.

        nltk agrees on nouns with one way to the top. Where there are several, it seeks
        c by the shortest, measures N3 by the longest, and lets N1 and N2 lead above c
        and down again: *dog* has similarity 0.93 to itself. Here c and N3 go by the
        longest way. On verbs nltk counts the root that joins their trees only where it
        is c; here it is a node like any other.
        """
        up, down = self.ancestors(a), self.ancestors(b)
        scores = []
        for c in self.lowest_common_subsumers(a, b):
            nodes = self.depth(c) + 1
            scores.append(2 * nodes / (up[c] + down[c] + 2 * nodes))
        return max(scores, default=0.0)

    def information(self, node: Node) -> float:
        """Return -log of the share of all counts that the node and all below it have.

        Resnik (1995), "Using information content to evaluate semantic similarity in a
        taxonomy", section 2; in nats. Every total is raised by 1, so that no node has
        share 0.

        Raises:
            ValueError: if the taxonomy was built without counts.
        """
        if self._totals is None:
            raise ValueError(
                "this taxonomy has no counts, which information content needs: build "
                "it with counts=..."
            )
        return log(self._all / self._totals[node])

    def resnik(self, a: Node, b: Node) -> float:
        """Return the information of the most informative common ancestor, in nats.

        Resnik (1995), eq. 1. Raises ValueError without counts.
        """
        return max(map(self.information, self._common(a, b)), default=0.0)

    def lin(self, a: Node, b: Node) -> float:
        """Return the share of the two nodes' information that they share, in [0, 1].

        Lin (1998), "An information-theoretic definition of similarity", section 4:
        2 I(c) / (I(a) + I(b)). Nodes without information are alike only if equal.
        Raises ValueError without counts.
        """
        both = self.information(a) + self.information(b)
        return 2 * self.resnik(a, b) / both if both else float(a == b)

    def _common(self, a: Node, b: Node) -> list[Node]:
        return [node for node in self.ancestors(a) if node in self.ancestors(b)]

    def _add_up(self, counts: Mapping[Node, float]) -> defaultdict[Node, float]:
        """Each node's count plus all below it, each once however many ways lead up."""
        totals: defaultdict[Node, float] = defaultdict(lambda: 1.0)
        for node, count in counts.items():
            for ancestor in self.ancestors(node):
                totals[ancestor] += count
        return totals


def wordnet_parents(synset: "Synset | str") -> list["Synset | str"]:
    """Return a synset's hypernyms; `VERB_ROOT` for the top of a tree of verbs.

    WordNet 3.0 has one cycle: *restrain* and *inhibit* are each other's hypernyms.
    Here *restrain* is a top.
    """
    if synset == VERB_ROOT:
        return []
    parents = synset.hypernyms() + synset.instance_hypernyms()
    parents.sort(key=lambda parent: parent.name())  # nltk's order differs at each start
    if synset.name() == "restrain.v.01":
        parents = []
    return parents or ([VERB_ROOT] if synset.pos() == "v" else [])


def sense_counts(
    wn: "WordNetCorpusReader", word_counts: Mapping[str, int]
) -> dict["Synset", float]:
    """Share each word's count equally among its synsets of any part of speech.

    A text does not say which sense is meant. Inflected forms count for their lemmas,
    and words that WordNet lacks are left out. nltk's `ic` does the same, but it adds a
    count twice to an ancestor that two ways of equal length lead to, so that its
    *entity* occurs more often than all nouns together.
    """
    counts: defaultdict[Synset, float] = defaultdict(float)
    for word, count in word_counts.items():
        synsets = wn.synsets(word)
        for synset in synsets:
            counts[synset] += count / len(synsets)
    return dict(counts)


class WordNetSimilarity:
    """How alike two words are: as alike as the two most similar of their senses.

    Only nouns and verbs have a taxonomy. Nouns are compared with nouns, and verbs with
    verbs.

    Attributes:
        taxonomies: "n" and "v" → the `Taxonomy`, whose nodes are nltk's synsets.
    """

    def __init__(
        self, wn: "WordNetCorpusReader", word_counts: Mapping[str, int] | None = None
    ):
        """Prepare the comparison.

        Args:
            wn: as `datasets.load_wordnet()` gives it.
            word_counts: of the words of a text, needed for "resnik" and "lin".
        """
        counts = None if word_counts is None else sense_counts(wn, word_counts)
        self.taxonomies = {
            pos: Taxonomy(
                wordnet_parents,
                counts and {s: n for s, n in counts.items() if s.pos() == pos},
            )
            for pos in ("n", "v")
        }
        self._wn = wn

    def __call__(self, a: str, b: str, measure: Measure = "wup") -> float | None:
        """Return the similarity of two words; None if they share no part of speech.

        Args:
            a: a word in any case, inflected or not ("mice"), with "_" for a space.
            b: another.
            measure: the method of `Taxonomy` that compares senses.

        Raises:
            ValueError: for an unknown measure.
        """
        if measure not in ("path", "wup", "resnik", "lin"):
            raise ValueError(
                f"measure is {measure!r}; there are 'path', 'wup', 'resnik' and 'lin'"
            )
        scores = [
            getattr(taxonomy, measure)(s, t)
            for pos, taxonomy in self.taxonomies.items()
            for s, t in product(self._wn.synsets(a, pos), self._wn.synsets(b, pos))
        ]
        return max(scores, default=None)
