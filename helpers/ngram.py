"""n-gram language models whose counts are sorted arrays: no dictionaries, any order.

    ngrams = count_ngrams(ids, order=5, vocabulary_size=V, starts=starts)
    model = modified_kneser_ney(ngrams)
    model.log_probabilities(test_ids, test_starts)  # (n,), one number a token
    model.probabilities(context)  # (V,), of every next word

Text is a stream of word ids below V, cut into documents (often: lines). Before each
document stands an unseen start token, id V, which models condition on and never
predict; contexts never reach into the document before. What closes a line ("<eos>")
and what stands for unknown words ("<unk>") are words like any other, with ids of their
own (see `lm_text`). A word with an id but no occurrence has a probability too: unigrams
are interpolated with 1 / V. That is what KenLM does, whose "<unk>" is such a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class NGramTable:
    """The distinct n-grams of one length; an n-gram's row is its id.

    Attributes:
        keys: (m,) int64, ascending: context id · (V + 1) + last word.
        contexts: (m,) id of the n-gram's first n - 1 words, in the table before.
        suffixes: (m,) id of its last n - 1 words, in the table before.
        counts: (m,) how often it occurs.
    """

    keys: Ids
    contexts: Ids
    suffixes: Ids
    counts: Ids

    def find(self, keys: Ids) -> Ids:
        """Return the ids of n-grams by key, -1 for those that are not there."""
        place = np.searchsorted(self.keys, keys)
        place = np.minimum(place, len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, -1)


@dataclass(frozen=True)
class NGramCounts:
    """All n-grams of a text, n = 1 … order. Made by `count_ngrams`.

    Attributes:
        vocabulary_size: V, the number of words that can be predicted.
        tables: `tables[n - 1]` holds the n-grams. Unigrams are all ids 0 … V, whether
            they occur or not; the one n-gram of length 0, the empty one, has id 0.
    """

    vocabulary_size: int
    tables: list[NGramTable]

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.tables)

    @property
    def start(self) -> int:
        """Id of the token that stands before each document."""
        return self.vocabulary_size

    @property
    def sizes(self) -> list[int]:
        """Number of n-grams of each length; of length 0 there is one."""
        return [1, *(len(table.keys) for table in self.tables)]

    def up_to(self, order: int) -> "NGramCounts":
        """Return the n-grams of at most `order` words, what a shorter count gives."""
        return NGramCounts(self.vocabulary_size, self.tables[:order])

    def id_of(self, words: Sequence[int]) -> int:
        """Return the id of one n-gram among those of its length, -1 if unseen."""
        found = 0
        for table, word in zip(self.tables, words, strict=False):
            found = int(table.find(np.array([found * (self.start + 1) + word]))[0])
            if found < 0:
                break
        return found

    def after(self, context: int, length: int) -> slice:
        """Return the rows of table `length` whose context has the id `context`."""
        edges = np.array([context, context + 1]) * (self.start + 1)
        return slice(*np.searchsorted(self.tables[length].keys, edges))

    def look_up(
        self, ids: ArrayLike, starts: ArrayLike | None = None
    ) -> Iterator[tuple[Ids, Ids]]:
        """For n = 1 … order, find the n-gram that ends at each token of a text.

        Args:
            ids: (n,) word ids.
            starts: (D + 1,) document boundaries; one document if left out.

        Yields:
            (n,) id of the n-gram's context and (n,) id of the n-gram, -1 where it is
            unseen or would reach over the document's start.
        """
        stream, depth = _with_starts(ids, starts, self.vocabulary_size)
        found = np.zeros(len(stream), dtype=np.int64)  # the empty n-gram
        for table in self.tables:
            context = np.roll(found, 1)  # none reaches over a start: no n-gram does
            found = table.find(context * (self.start + 1) + stream)
            yield context[depth > 0], found[depth > 0]


def count_ngrams(
    ids: ArrayLike,
    order: int,
    vocabulary_size: int,
    starts: ArrayLike | None = None,
) -> NGramCounts:
    """Count the n-grams of a text, n = 1 … order.

    An n-gram's key packs two numbers into 64 bits: the id of its first n - 1 words, and
    its last word. Equal n-grams are brought together by sorting the keys.

    Args:
        ids: (N,) word ids in [0, V).
        order: length of the longest n-grams, from 1.
        vocabulary_size: V.
        starts: (D + 1,) document boundaries; one document if left out.

    Raises:
        ValueError: if an id, `order` or `starts` is out of range, or no document is
            long enough for one n-gram.
    """
    if order < 1:
        raise ValueError(f"order is {order}; the shortest n-grams have order 1")
    stream, depth = _with_starts(ids, starts, vocabulary_size)
    words = np.arange(vocabulary_size + 1)
    zeros = np.zeros_like(words)
    counts = np.bincount(stream, minlength=len(words))
    counts[vocabulary_size] = 0  # the start is no word that is predicted
    tables = [NGramTable(words, zeros, zeros, counts)]
    found = stream
    for n in range(2, order + 1):
        ends = np.flatnonzero(depth >= n - 1)
        if len(ends) == 0:
            raise ValueError(
                f"order is {order}, but the longest document has {depth.max()} words; "
                f"an n-gram takes {n - 1} and the start: lower the order"
            )
        keys = found[ends - 1] * len(words) + stream[ends]
        keys, rows, inverse, counts = _distinct(keys)
        table = NGramTable(keys, keys // len(words), found[ends[rows]], counts)
        tables.append(table)
        found = found.copy()
        found[ends] = inverse
    return NGramCounts(vocabulary_size, tables)


def _with_starts(
    ids: ArrayLike, starts: ArrayLike | None, vocabulary_size: int
) -> tuple[Ids, Ids]:
    """Put the start token before each document; also return places in documents."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(
            f"ids have shape {ids.shape} and dtype {ids.dtype}; give one array of "
            "integers, all documents after one another"
        )
    if len(ids) and not 0 <= ids.min() <= ids.max() < vocabulary_size:
        raise ValueError(
            f"ids run from {ids.min()} to {ids.max()}; with vocabulary_size "
            f"{vocabulary_size} they must be from 0 to {vocabulary_size - 1}"
        )
    starts = np.array([0, len(ids)]) if starts is None else np.asarray(starts)
    lengths = np.diff(starts)
    if starts[0] != 0 or starts[-1] != len(ids) or np.any(lengths < 0):
        raise ValueError(
            f"starts run from {starts[0]} to {starts[-1]}; they must ascend from 0 to "
            f"the number of ids, {len(ids)}"
        )
    stream = np.insert(ids.astype(np.int64), starts[:-1], vocabulary_size)
    firsts = starts[:-1] + np.arange(len(lengths))
    return stream, np.arange(len(stream)) - np.repeat(firsts, lengths + 1)


def _distinct(keys: Ids) -> tuple[Ids, Ids, Ids, Ids]:
    """Sorted distinct keys, a row where each occurs, each row's place, and counts.

    `np.unique` gives the same, three times slower: it asks for a stable sort.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    inverse = np.empty_like(keys)
    inverse[order] = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    counts = np.diff(first, append=len(keys))
    return ordered[first], order[first], inverse, counts


@dataclass(frozen=True)
class NGramModel:
    """Probabilities of seen n-grams, and how to back off to shorter contexts.

    p(w | context) is stored for each n-gram that was seen. For other words it is the
    back-off weight of the context times p(w | context without its first word); a
    context that was never seen is shortened at no cost; after the empty context comes
    1 / V. The ARPA format of language models holds the same numbers.

    Attributes:
        ngrams: the n-grams that have an entry.
        seen: `seen[n - 1]` (m_n,), p(last word | words before) of each n-gram.
        backoffs: `backoffs[n - 1]` (m_{n-1},), the weight of each context of n - 1
            words.
    """

    ngrams: NGramCounts
    seen: list[Floats]
    backoffs: list[Floats]

    def log_probabilities(
        self, ids: ArrayLike, starts: ArrayLike | None = None
    ) -> Floats:
        """Score a whole text.

        Args:
            ids: (n,) word ids in [0, V).
            starts: (D + 1,) document boundaries; one document if left out.

        Returns:
            (n,) log p(token | up to order - 1 tokens before it), natural logarithms.

        Raises:
            ValueError: if an id or `starts` is out of range.
        """
        p = 1 / self.ngrams.vocabulary_size
        levels = zip(
            self.ngrams.look_up(ids, starts), self.seen, self.backoffs, strict=True
        )
        for (context, found), seen, backoff in levels:
            p = np.where(context >= 0, backoff[context], 1.0) * p
            p = np.where(found >= 0, seen[found], p)
        return np.log(p)

    def probabilities(self, context: Sequence[int]) -> Floats:
        """Return the probability of every word after a context, (V,), with sum 1.

        Args:
            context: word ids, of which the last order - 1 count. For the beginning of
                a document start with `ngrams.start`; an empty one means no knowledge
                of what came before.

        Raises:
            ValueError: if an id is out of range.
        """
        context = _check_context(context, self.ngrams)
        V = self.ngrams.vocabulary_size
        p = np.full(V + 1, 1 / V)
        for n in range(len(context) + 1):
            found = self.ngrams.id_of(context[len(context) - n :])
            if found < 0:
                break
            rows = self.ngrams.after(found, n)
            p *= self.backoffs[n][found]
            p[self.ngrams.tables[n].keys[rows] % (V + 1)] = self.seen[n][rows]
        return p[:V]


def _check_context(context: Sequence[int], ngrams: NGramCounts) -> list[int]:
    context = [int(word) for word in context]
    if any(not 0 <= word <= ngrams.start for word in context):
        raise ValueError(
            f"context {context} holds an id out of range; words have ids from 0 to "
            f"{ngrams.start - 1}, the start of a document {ngrams.start}"
        )
    return context[len(context) - min(len(context), ngrams.order - 1) :]


@dataclass(frozen=True)
class AddAlpha:
    """Every word counts as seen `alpha` times more than it was (Lidstone 1920).

    p(w | context) = (count(context, w) + alpha) / (count(context) + alpha V), with the
    longest context that the order and the document allow, seen or not.

    Attributes:
        ngrams: from `count_ngrams`.
        alpha: above 0; 1 is Laplace's rule.
    """

    ngrams: NGramCounts
    alpha: float

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(
                f"alpha is {self.alpha}; it must be above 0, or unseen contexts have "
                "no probabilities"
            )

    def log_probabilities(
        self, ids: ArrayLike, starts: ArrayLike | None = None
    ) -> Floats:
        """Score a whole text, as `NGramModel.log_probabilities` does."""
        V = self.ngrams.vocabulary_size
        _, depth = _with_starts(ids, starts, V)
        depth = depth[depth > 0]
        p = np.empty(len(depth))
        levels = zip(self.ngrams.look_up(ids, starts), self._totals, strict=True)
        for n, ((context, found), totals) in enumerate(levels, 1):
            count = np.where(found >= 0, self.ngrams.tables[n - 1].counts[found], 0)
            total = np.where(context >= 0, totals[context], 0)
            share = (count + self.alpha) / (total + self.alpha * V)
            p = np.where(depth >= n - 1, share, p)
        return np.log(p)

    def probabilities(self, context: Sequence[int]) -> Floats:
        """Return the probability of every word after a context, (V,), with sum 1."""
        context = _check_context(context, self.ngrams)
        n, V = len(context), self.ngrams.vocabulary_size
        counts = np.zeros(V + 1)
        found = self.ngrams.id_of(context)
        if found >= 0:
            rows, table = self.ngrams.after(found, n), self.ngrams.tables[n]
            counts[table.keys[rows] % (V + 1)] = table.counts[rows]
        return (counts[:V] + self.alpha) / (counts.sum() + self.alpha * V)

    @cached_property
    def _totals(self) -> list[Floats]:
        return [_totals(t, t.counts, m) for t, m in _with_sizes(self.ngrams)]


def jelinek_mercer(ngrams: NGramCounts, weights: ArrayLike) -> NGramModel:
    """Interpolate relative counts of all orders (Jelinek & Mercer 1980).

    p_n(w | context) = λ_n count(context, w) / count(context) + (1 - λ_n) p_{n-1}(w |
    shorter context), and p_0 = 1 / V. After an unseen context p_n is p_{n-1}.

    Args:
        ngrams: from `count_ngrams`.
        weights: (order,), λ_1 first, each in [0, 1); `fit_jelinek_mercer` finds them.

    Raises:
        ValueError: if there are not as many weights as orders, or one is out of range.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (ngrams.order,) or not np.all((weights >= 0) & (weights < 1)):
        raise ValueError(
            f"weights are {weights}; give {ngrams.order}, one for each order, each at "
            "least 0 and below 1"
        )
    counts = [table.counts for table in ngrams.tables]
    kept = [w * c for w, c in zip(weights, counts, strict=True)]
    return _interpolate(ngrams, counts, kept)


def fit_jelinek_mercer(
    ngrams: NGramCounts,
    ids: ArrayLike,
    starts: ArrayLike | None = None,
    tolerance: float = 1e-4,
) -> Floats:
    """Return the weights of `jelinek_mercer` that make a text likeliest, by EM.

    A token is drawn from the relative counts of order n with probability λ_n, else
    handed down to order n - 1. Each step shares every token among the orders as the
    present weights have it, then sets λ_n to the part of what reached order n, in a
    context seen in training, that stayed there.

    Args:
        ngrams: counts of the training text.
        ids: (n,) development text that was not counted.
        starts: (D + 1,) its document boundaries; one document if left out.
        tolerance: stop when no weight moves by more.

    Returns:
        (order,) weights, λ_1 first.
    """
    known, ml = [], []  # for each order, (n,): context seen?, relative count
    levels = zip(ngrams.look_up(ids, starts), _with_sizes(ngrams), strict=True)
    for (context, found), (table, size) in levels:
        totals = _totals(table, table.counts, size)
        known.append((context >= 0) & (totals[context] > 0))
        count = np.where(found >= 0, table.counts[found], 0)
        ml.append(
            np.divide(count, totals[context], where=known[-1], out=np.zeros(len(count)))
        )
    weights = np.full(ngrams.order, 0.5)
    while True:
        p, stays = 1 / ngrams.vocabulary_size, []  # stays: p(stays at n | token)
        for weight, is_known, share in zip(weights, known, ml, strict=True):
            here = np.where(is_known, weight * share, 0)
            p = here + np.where(is_known, 1 - weight, 1) * p
            stays.append(here / p)
        previous, weights = weights, np.empty(ngrams.order)
        reach = np.ones(len(p))
        for n in reversed(range(ngrams.order)):
            reached = reach[known[n]].sum()
            weights[n] = (reach * stays[n]).sum() / max(reached, 1e-300)
            reach = reach * (1 - stays[n])
        if np.abs(weights - previous).max() <= tolerance:
            return weights


def absolute_backoff(
    ngrams: NGramCounts, discounts: ArrayLike | None = None
) -> NGramModel:
    """Back off only from words that a context was not seen with (Katz 1987).

    A seen word has (count - D) / count(context), the absolute discount of Ney, Essen &
    Kneser (1994). What that leaves goes to the words not seen in this context, in
    proportion to their probability in the shorter one; where all words were seen,
    nothing is taken. Unigrams have Laplace's (count + 1) / (N + V).

    Args:
        ngrams: from `count_ngrams`.
        discounts: (order - 1,), D of each order from bigrams on, each in [0, 1];
            `estimate_discount` of its counts if left out.

    Raises:
        ValueError: if discounts can't be estimated, or have another shape or range.
    """
    V = ngrams.vocabulary_size
    unigrams, *longer = (table.counts for table in ngrams.tables)
    N = unigrams.sum()
    seen, backoffs = [(unigrams + 1) / (N + V)], [np.full(1, V / (N + V))]
    discounts = _discounts(longer, discounts, 1)
    for n, (counts, discount) in enumerate(zip(longer, discounts, strict=True), 1):
        table, size = ngrams.tables[n], ngrams.sizes[n]
        full = np.bincount(table.contexts, minlength=size) == V
        kept = counts - np.where(full[table.contexts], 0, discount)
        totals = _totals(table, counts, size)
        left = 1 - _ratio(_totals(table, kept, size), totals, 0)
        unseen = 1 - _totals(table, seen[-1][table.suffixes], size)
        seen.append(kept / totals[table.contexts])
        backoffs.append(left / np.where(full, 1, unseen))
    return NGramModel(ngrams, seen, backoffs)


def kneser_ney(ngrams: NGramCounts, discounts: ArrayLike | None = None) -> NGramModel:
    """Interpolated Kneser-Ney smoothing with one discount an order.

    Kneser & Ney (1995) as interpolated by Chen & Goodman (1998, section 4.1.6).
    Orders below the highest count contexts instead of occurrences
    (`continuation_counts`), c; D is taken off each count, and what is taken goes to the
    shorter context:

    p(w | context) = max(c - D, 0) / Σ c + (Σ taken / Σ c) p(w | shorter context)

    Args:
        ngrams: from `count_ngrams`.
        discounts: (order,), D of each order, unigrams' first, each in [0, 1];
            `estimate_discount` of its counts if left out.

    Raises:
        ValueError: if discounts can't be estimated, or have another shape or range.
    """
    counts = continuation_counts(ngrams)
    return _discounted(ngrams, counts, _discounts(counts, discounts, 1))


def modified_kneser_ney(
    ngrams: NGramCounts, discounts: ArrayLike | None = None
) -> NGramModel:
    """Modified Kneser-Ney smoothing (Chen & Goodman 1998, eqs. 24 to 26).

    As `kneser_ney`, with a discount each for counts of 1, of 2, and of 3 and more. The
    model equals the one that KenLM's lmplz estimates (Heafield et al. 2013).

    Args:
        ngrams: from `count_ngrams`.
        discounts: (order, 3), D1, D2 and D3+ of each order, unigrams' first; from
            `estimate_modified_discounts` of its counts if left out.

    Raises:
        ValueError: if discounts can't be estimated, or have another shape or range.
    """
    counts = continuation_counts(ngrams)
    return _discounted(ngrams, counts, _discounts(counts, discounts, 3))


def continuation_counts(ngrams: NGramCounts) -> list[Ids]:
    """Return Kneser-Ney's counts of each order, unigrams' first.

    The longest n-grams keep their counts. A shorter one counts the different words that
    stand before it; but one that begins at a document's start, where only the start
    token can, counts how often it occurs.
    """
    counts = [table.counts for table in ngrams.tables]
    for n in range(ngrams.order - 1):
        longer = ngrams.tables[n + 1]
        before = np.bincount(longer.suffixes, minlength=len(counts[n]))
        counts[n] = np.where(before > 0, before, counts[n])
    return counts


def estimate_discount(counts: ArrayLike) -> float:
    """Return D = n_1 / (n_1 + 2 n_2) (Ney, Essen & Kneser 1994).

    Args:
        counts: (m,) of which n_1 are 1 and n_2 are 2.

    Raises:
        ValueError: if no count is 1.
    """
    n = np.bincount(counts, minlength=3)
    if n[1] == 0:
        raise ValueError(_NO_DISCOUNT.format(1))
    return float(n[1] / (n[1] + 2 * n[2]))


def estimate_modified_discounts(counts: ArrayLike) -> Floats:
    """Return D1, D2 and D3+ (Chen & Goodman 1998, eq. 26), (3,).

    D_k = k - (k + 1) Y n_{k+1} / n_k with Y = n_1 / (n_1 + 2 n_2), where n_k of the
    counts are k.

    Args:
        counts: (m,).

    Raises:
        ValueError: if no count is 1, none 2 or none 3, or a discount is negative.
    """
    k = np.arange(1, 4)
    n = np.bincount(counts, minlength=5)
    if not n[k].all():
        raise ValueError(_NO_DISCOUNT.format(k[n[k] == 0][0]))
    discounts = k - (k + 1) * estimate_discount(counts) * n[k + 1] / n[k]
    if discounts.min() < 0:
        raise ValueError(
            f"D1, D2, D3+ come out as {discounts}; a discount must not be negative: "
            "the text is too small or artificial, pass discounts of your own"
        )
    return discounts


_NO_DISCOUNT = (
    "no n-gram of this order counts {}, so no discount can be estimated; take more "
    "text or pass discounts of your own"
)


def _discounts(counts: list[Ids], given: ArrayLike | None, classes: int) -> Floats:
    """Discounts of each order and class of counts, (orders, classes)."""
    if given is None:
        estimate = estimate_discount if classes == 1 else estimate_modified_discounts
        given = [estimate(c) for c in counts]
    discounts = np.asarray(given, dtype=np.float64)
    shape = (len(counts),) if classes == 1 else (len(counts), classes)
    most = np.arange(1, classes + 1)
    if discounts.shape != shape or np.any((discounts < 0) | (discounts > most)):
        raise ValueError(
            f"discounts are {discounts.tolist()}; give shape {shape}, a row an order, "
            "none negative and none above the count it is taken from"
        )
    return discounts.reshape(len(counts), classes)


def _discounted(
    ngrams: NGramCounts, counts: list[Ids], discounts: Floats
) -> NGramModel:
    kept = []
    for c, d in zip(counts, discounts, strict=True):
        kept.append(c - np.r_[0, d][np.minimum(c, len(d))])
    return _interpolate(ngrams, counts, kept)


def _interpolate(
    ngrams: NGramCounts, counts: list[Ids], kept: Sequence[NDArray]
) -> NGramModel:
    """Give each context's share of counts not kept to the shorter context.

    Args:
        ngrams: the n-grams.
        counts: for each order (m,), what the n-grams of one context share out.
        kept: for each order (m,), the part that goes to the n-gram itself.
    """
    lower = np.full(1, 1 / ngrams.vocabulary_size)
    seen, backoffs = [], []
    for (table, size), c, k in zip(_with_sizes(ngrams), counts, kept, strict=True):
        totals = _totals(table, c, size)
        backoff = _ratio(_totals(table, c - k, size), totals, 1)
        lower = (
            k / totals[table.contexts] + backoff[table.contexts] * lower[table.suffixes]
        )
        seen.append(lower)
        backoffs.append(backoff)
    return NGramModel(ngrams, seen, backoffs)


def _with_sizes(ngrams: NGramCounts) -> Iterator[tuple[NGramTable, int]]:
    """Each table with its number of contexts."""
    return zip(ngrams.tables, ngrams.sizes[:-1], strict=True)


def _totals(table: NGramTable, values: NDArray, size: int) -> Floats:
    """Sum values of n-grams by context, (size,)."""
    return np.bincount(table.contexts, weights=values, minlength=size)


def _ratio(part: Floats, whole: Floats, otherwise: float) -> Floats:
    """Divide; contexts that nothing follows, at the end of a text, have no whole."""
    return np.divide(
        part, whole, where=whole > 0, out=np.full(len(whole), float(otherwise))
    )
