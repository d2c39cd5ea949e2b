# %% [markdown]
# # Exercise 05 · Subwords
#
# **What you build.** The working parts of three tokenisers: BPE's training and encoding, the incremental
# counts that make it fast, WordPiece's longest match, Viterbi and EM for the unigram model. And a vector
# for a word that nobody has seen.
#
# *You need* lecture 05. *It takes* about three hours. *It is worth* 30 points in seven questions, which
# don't depend on one another: skip what stops you and come back later.
#
# **How checks work.** Under each answer stand its checks. The output under a check is what you aim
# at: run the cell after your answer to compare. A ✓ line shows your value, a ✗ line says how it
# differs and where to look. Each check has its own points. To see where you stand, save the
# notebook and give its path to `.venv/bin/course check`: it tells your points in words.
# `.venv/bin/pytest --nbval` shows each difference. Functions that only checks call are taken away
# when your work is graded: don't call them in your answers.
#
# Stars say how hard a question is: ★ apply, ★★ derive and implement, ★★★ investigate.

# %%
import io
import re
from collections import Counter, defaultdict
from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import sentencepiece
import tokenizers
import torch
from gensim.models.fasttext import FastTextKeyedVectors
from gensim.models.fasttext_inner import compute_ngrams, ft_hash_bytes
from nltk import FreqDist, bigrams

from helpers import datasets, plots, subwords
from helpers.course.checks import check
from helpers.device import seed_everything

seed_everything(5)
plots.use_style()

book = subwords.count_words(datasets.load_botchan())  # marked word → count
common = [word for word, _ in book.most_common(2000)]

# %% [markdown]
# ## Question 1 · Count, choose, merge
# ★ · 20 minutes · 5 points
#
# Byte-pair encoding starts from characters and merges the most frequent pair of neighbours, again
# and again (Sennrich et al. 2016, algorithm 1):
#
# $$(a, b)^* = \arg\max_{(a, b)} \mathrm{count}(ab) \tag{1}$$
#
# A pair inside a word counts as often as the word occurs. Of equally frequent pairs take the one whose joint piece
# is shortest, and of those the one whose joint piece comes first in the order of Python's strings: `abb` before `abc`. If even
# the joint pieces are the same, as in (a, bc) and (ab, c), take either: no check asks for it. Write two functions: the choice of the pair, and the merge. The training made of both is given below them.
#
# Mind a run of equal symbols: in `a a a` the pair (a, a) occurs twice, but only one merge fits, the left one.
#
# <details><summary>Hint 1</summary>
#
# `itertools.pairwise` gives the neighbours of a list. A word is a list of symbols, so after a merge it's a shorter list.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For the choice: `min` with a key that returns a tuple compares first by its first entry, then by its second, and so on. A minus sign turns most into least.
#
# </details>


# %% answer="train"
def best_pair(words):
    """The pair to merge next, and its count.

    Args:
        words: list of (symbols, n): a list of strings and the word's count.

    Returns:
        (left, right), count.

    Example: [(["a", "b", "b"], 3), (["b", "b"], 1)] -> (("b", "b"), 4)
    """
    # BEGIN SOLUTION
    counts = Counter()
    for symbols, n in words:
        for pair in pairwise(symbols):
            counts[pair] += n
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), "".join(p)))
    return best, counts[best]
    # END SOLUTION


def merge(symbols, pair):
    """The symbols with each occurrence of the pair replaced, from left to right.

    Example: ["a", "a", "a"], ("a", "a") -> ["aa", "a"]
    """
    # BEGIN SOLUTION
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result
    # END SOLUTION


# %%
def learn_bpe(words, merges):
    """Training, made of your two functions: the pairs in the order they are learned."""
    parts, learned = [(list(word), n) for word, n in words.items()], []
    for _ in range(merges):
        pair, _ = best_pair(parts)
        parts = [(merge(symbols, pair), n) for symbols, n in parts]
        learned.append(pair)
    return learned


# %%
def random_parts(seed, letters="abcd", size=12):
    """Made-up words as lists of symbols, some of two letters, with their counts."""
    rng = np.random.default_rng(seed)
    symbols = [*letters, letters[:2], letters[1] * 2]
    return [
        (
            rng.choice(symbols, size=rng.integers(1, 9)).tolist(),
            int(rng.integers(1, 40)),
        )
        for _ in range(size)
    ]


def listed(counts):
    """Pairs and counts, (left, right, count), in the order of the alphabet."""
    return [(a, b, int(n)) for (a, b), n in sorted(counts.items())]


def counted_by_nltk(parts):
    """Pairs counted by a library, word by word."""
    counts = FreqDist()
    for symbols, n in parts:
        for pair, times in FreqDist(bigrams(symbols)).items():
            counts[pair] += times * n
    return counts


def best_by_nltk(parts):
    """The pair of the highest count; of equals the shortest, then the first."""
    ordered = sorted(
        listed(counted_by_nltk(parts)),
        key=lambda x: (-x[2], len(x[0] + x[1]), x[0] + x[1]),
    )
    return ordered[0][:2], ordered[0][2]


# %%
def merged_by_regex(symbols, pair):
    """The merge, done on a string with a bar between symbols."""
    left, right = map(re.escape, pair)
    return re.sub(
        rf"(?<=\|){left}\|{right}(?=\|)", "".join(pair), f"|{'|'.join(symbols)}|"
    )[1:-1].split("|")


def sentencepiece_model(words, **options):
    """Train SentencePiece on words with their counts."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(f"{word.strip('▁')}\t{n}" for word, n in words.items()),
        input_format="tsv",
        model_writer=written,
        minloglevel=2,
        character_coverage=1.0,
        hard_vocab_limit=False,
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


# %% check="train" part="choose" points=1
with check("The best pair of made-up words, four texts") as c:
    texts = [random_parts(seed) for seed in (11, 15, 16, 17)]
    got = [best_pair(parts) for parts in texts]
    c.equal(
        "pairs",
        [" ".join(pair) for pair, _ in got],
        [" ".join(best_by_nltk(parts)[0]) for parts in texts],
        hint="Does a pair that stands twice in a word count twice, and each time as "
        "often as the word?",
    )
    c.equal(
        "counts",
        [int(n) for _, n in got],
        [int(best_by_nltk(parts)[1]) for parts in texts],
        hint="Does a pair that stands twice in a word count twice, and each time as "
        "often as the word?",
    )

# %% check="train" part="merge" points=1
with check("Merging in made-up words, runs of equal symbols among them") as c:
    cases = [
        (symbols, pair)
        for symbols, _ in random_parts(12)
        for pair in [("b", "b"), ("a", "b"), ("d", "ab")]
    ]
    cases += [(["a"] * n, ("a", "a")) for n in (1, 2, 3, 6, 7)]
    cases += [(["ab", "b", "a", "bb"], ("ab", "b"))]
    before = [list(symbols) for symbols, _ in cases]
    got = [" ".join(merge(symbols, pair)) for symbols, pair in cases]
    c.equal(
        "merged words",
        got,
        [
            " ".join(merged_by_regex(s, pair))
            for s, (_, pair) in zip(before, cases, strict=True)
        ],
        hint="Go from left to right. Is the last symbol of a word ever lost, and "
        "is the pair compared as two symbols, not as one string?",
    )
    c.equal(
        "your function leaves its input as it was",
        [s for s, _ in cases] == before,
        True,
    )
    c.show("symbols left", sum(len(words.split()) for words in got))

# %% check="train" part="learn" points=2
with check(
    "The 40 most common words with letters only: 60 merges, against SentencePiece"
) as c:
    words = {w: book[w] for w in common if re.fullmatch("▁[a-z]{2,}", w)}
    words = dict(list(words.items())[:40])
    got = learn_bpe(words, 60)
    model = sentencepiece_model(
        words, model_type="bpe", vocab_size=60 + 3 + len(set("".join(words)))
    )
    c.equal(
        "pieces in the order they were learned",
        ["".join(pair) for pair in got],
        [model.id_to_piece(i) for i in range(3, 63)],
        hint="Which pair do you take when two are equally frequent? Read the rule "
        "again.",
    )

# %% check="train" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other words, with long runs") as c:
    parts = random_parts(13, "xyz", 30)
    for n in range(2, 31, 4):
        pair, count = best_pair(parts[:n])
        c.equal(
            "best",
            [*pair, int(count)],
            [*best_by_nltk(parts[:n])[0], int(best_by_nltk(parts[:n])[1])],
        )
    pair, _ = best_pair([(["a", "bc"], 3), (["ab", "b"], 3)])
    c.equal("of abc and abb", [*pair], ["ab", "b"], hint="Compare the joint pieces.")
    cases = [(s, p) for s, _ in parts for p in product("xyz", repeat=2)]
    got = [" ".join(merge(s, p)) for s, p in cases]
    c.equal("merged", got, [" ".join(merged_by_regex(s, p)) for s, p in cases])
    rng = np.random.default_rng(14)
    words = {
        "▁" + "".join(rng.choice(list("xyz"), size=rng.integers(1, 8))): int(
            rng.integers(1, 9)
        )
        for _ in range(25)
    }
    got = learn_bpe(words, 25)
    model = sentencepiece_model(words, model_type="bpe", vocab_size=25 + 3 + 4)
    c.equal(
        "learned",
        ["".join(p) for p in got],
        [model.id_to_piece(i) for i in range(3, 28)],
    )
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The key `(-count, length, string)` puts the whole rule into one tuple. Without a rule for ties two programs would learn
# different pieces from the same text, both rightly: the lecture saw that with tokenizers. The comparison in `merge` must be of two symbols.
# Joined strings would take `a` + `bb` for `ab` + `b`.


# %% wrong="train" why="forgets how often a word occurs" says="as often as the word"
def best_pair(words):
    counts = Counter()
    for symbols, _ in words:
        for pair in pairwise(symbols):
            counts[pair] += 1
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), "".join(p)))
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% wrong="train" why="counts a pair once a word, however often it stands there" says="count twice"
def best_pair(words):
    counts = Counter()
    for symbols, n in words:
        for pair in set(pairwise(symbols)):
            counts[pair] += n
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), "".join(p)))
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% wrong="train" why="the loop over neighbours ends before the last symbol, which is lost" says="last symbol"
def best_pair(words):
    counts = Counter()
    for symbols, n in words:
        for pair in pairwise(symbols):
            counts[pair] += n
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), "".join(p)))
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols) - 1:
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% wrong="train" why="compares joined strings: ab + b is taken for a + bb" says="two symbols"
def best_pair(words):
    counts = Counter()
    for symbols, n in words:
        for pair in pairwise(symbols):
            counts[pair] += n
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), "".join(p)))
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if "".join(symbols[i : i + 2]) == "".join(pair):
            result.append("".join(pair))
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% wrong="train" why="of equals takes the first pair, not the first joint piece" says="Compare the joint pieces"
def best_pair(words):
    counts = Counter()
    for symbols, n in words:
        for pair in pairwise(symbols):
            counts[pair] += n
    best = min(counts, key=lambda p: (-counts[p], len("".join(p)), p))
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% wrong="train" why="leaves ties to the order of the dictionary" says="equally frequent"
def best_pair(words):
    counts = Counter()
    for symbols, n in words:
        for pair in pairwise(symbols):
            counts[pair] += n
    best = max(counts, key=counts.get)
    return best, counts[best]


def merge(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            result.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


# %% right="train" why="sorting for the choice, and a list whose last entry grows"
def best_pair(words):
    counts = defaultdict(int)
    for symbols, n in words:
        for i in range(1, len(symbols)):
            counts[symbols[i - 1], symbols[i]] += n
    ordered = sorted((-n, len(a + b), a + b, (a, b)) for (a, b), n in counts.items())
    return ordered[0][-1], -ordered[0][0]


def merge(symbols, pair):
    result = []
    for symbol in symbols:
        if result and result[-1] == pair[0] and symbol == pair[1]:
            result[-1] = pair[0] + pair[1]
        else:
            result.append(symbol)
    return result


# %% [markdown]
# ## Question 2 · Encode a new word
# ★ · 15 minutes · 4 points
#
# You have the merges, in the order in which they were learned. To cut a new word, start from its characters and apply the
# merges as training would have: of all pairs of neighbours that are in the list, merge the one that was learned first, everywhere in the
# word; then look again, until no pair is in the list. Leave the list as it is.
#
# <details><summary>Hint 1</summary>
#
# Turn the list into a dictionary from pair to rank. Which neighbours of the word have a rank, and which has the least?
#
# </details>
# <details><summary>Hint 2</summary>
#
# After a merge there are new neighbours, which may be in the list too. So it's a loop that ends when nothing is found, not a pass over the word.
#
# </details>


# %% answer="encode"
def encode(word, merges):
    """Cut a word into the pieces that the merges make of it.

    Args:
        word: a string.
        merges: list of pairs (left, right), first learned first.

    Returns:
        list of strings, which joined give the word.

    Example: "abab", [("a", "b"), ("ab", "ab")] -> ["abab"]
    """
    # BEGIN SOLUTION
    rank = {tuple(pair): i for i, pair in enumerate(merges)}
    symbols = list(word)
    while found := [pair for pair in pairwise(symbols) if pair in rank]:
        left, right = min(found, key=rank.get)
        result, i = [], 0
        while i < len(symbols):
            if symbols[i : i + 2] == [left, right]:
                result.append(left + right)
                i += 2
            else:
                result.append(symbols[i])
                i += 1
        symbols = result
    return symbols
    # END SOLUTION


# %%
book_merges = subwords.train_bpe(book, 400).merges


def encoded_by_tokenizers(words, merges):
    """The same by Hugging Face's tokenizers."""
    pieces = dict.fromkeys("".join(words) + "".join(map("".join, merges)))
    pieces.update(dict.fromkeys(left + right for left, right in merges))
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    model = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, list(merges)))
    return [" ".join(model.encode(word).tokens) for word in words]


# %% check="encode" part="toy" points=1
with check("Short words, six merges") as c:
    merges = [
        ("b", "c"),
        ("a", "bc"),
        ("a", "a"),
        ("a", "b"),
        ("aa", "aa"),
        ("ab", "ab"),
    ]
    words = ["abc", "abcab", "aab", "aaaa", "aaaaab", "bcabab", "c", "xay"]
    got = [" ".join(encode(word, merges)) for word in words]
    c.equal(
        "pieces",
        got,
        encoded_by_tokenizers(words, merges),
        hint="Which pair of the word was learned first? It need not be the leftmost.",
    )
    c.show("how many", [len(pieces.split()) for pieces in got])

# %% check="encode" part="book" points=2
with check("200 words of the book, 400 merges learned from it") as c:
    merges = book_merges[:400]
    words = np.random.default_rng(21).choice(sorted(book), size=200).tolist()
    got = [" ".join(encode(word, merges)) for word in words]
    c.equal(
        "pieces",
        got,
        encoded_by_tokenizers(words, merges),
        hint="BPE neither takes the longest piece that fits nor stops after one pass. "
        "Follow one word that differs by hand.",
    )
    c.show("pieces in all", sum(len(pieces.split()) for pieces in got))

# %% check="encode" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Words of another book's merges, characters it never had") as c:
    other = subwords.count_words(
        datasets.load_gutenberg()["carroll-alice"].splitlines()[:900]
    )
    merges = subwords.train_bpe(other, 700).merges
    words = np.random.default_rng(22).choice(sorted(book), size=150).tolist()
    words += ["▁naïveté", "▁aaaaaaaaa", "▁ssssss", "▁", "東京", "".join(words[:9])]
    before = list(merges)
    got = [" ".join(encode(word, merges)) for word in words]
    c.equal("pieces", got, encoded_by_tokenizers(words, before))
    c.show("pieces in all", sum(len(pieces.split()) for pieces in got))
    c.show("pieces of a very long word", len(got[-1].split()))
    c.equal("the list as it was", merges == before, True)
    got = " ".join(encode("abc", [("a", "b"), ("b", "c"), ("a", "bc")]))
    hint = "Is the pair looked up as two symbols, not as one string?"
    c.equal("another list", got, "ab c", hint=hint)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# The order of learning is the model: a piece learned early was frequent, and later pieces are built on it. Taking the leftmost pair or the longest piece
# gives other cuts for a few words in a hundred, and a model trained on one tokenisation then reads another.


# %% wrong="encode" why="merges the leftmost known pair, not the one learned first" says="need not be the leftmost"
def encode(word, merges):
    known = set(map(tuple, merges))
    symbols, i = list(word), 0
    while i < len(symbols) - 1:
        if (symbols[i], symbols[i + 1]) in known:
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
            i = 0
        else:
            i += 1
    return symbols


# %% wrong="encode" why="takes the longest piece that fits, as WordPiece does" says="longest piece"
def encode(word, merges):
    pieces = {left + right for left, right in merges} | set(word)
    result, start = [], 0
    while start < len(word):
        end = max(e for e in range(start + 1, len(word) + 1) if word[start:e] in pieces)
        result.append(word[start:end])
        start = end
    return result


# %% wrong="encode" why="looks at each merge's first occurrence only" says="pieces:"
def encode(word, merges):
    symbols = list(word)
    for left, right in merges:
        for i in range(len(symbols) - 1):
            if symbols[i : i + 2] == [left, right]:
                symbols[i : i + 2] = [left + right]
                break
    return symbols


# %% wrong="encode" why="looks a pair up by its joint string" says="as two symbols"
def encode(word, merges):
    rank = {}
    for i, (left, right) in enumerate(merges):
        rank.setdefault(left + right, i)
    symbols = list(word)
    while found := [
        (rank[a + b], i) for i, (a, b) in enumerate(pairwise(symbols)) if a + b in rank
    ]:
        _, i = min(found)
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
    return symbols


# %% wrong="encode" why="merges once and returns" says="stops after one pass"
def encode(word, merges):
    rank = {tuple(pair): i for i, pair in enumerate(merges)}
    symbols = list(word)
    found = [i for i, pair in enumerate(pairwise(symbols)) if pair in rank]
    if found:
        i = min(found, key=lambda i: rank[symbols[i], symbols[i + 1]])
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
    return symbols


# %% right="encode" why="replays all merges in order"
def encode(word, merges):
    symbols = list(word)
    for left, right in merges:
        result = []
        for symbol in symbols:
            if result and (result[-1], symbol) == (left, right):
                result[-1] = left + right
            else:
                result.append(symbol)
        symbols = result
    return symbols


# %% [markdown]
# ## Question 3 · WordPiece: the longest piece that fits
# ★ · 15 minutes · 4 points
#
# WordPiece keeps no merges, only a set of pieces. A piece that begins a word stands there as it is, one that continues a word has `##`
# before it. Cut a word from left to right, each time with the longest piece that fits. If at some place nothing fits, the
# whole word becomes one token, `[UNK]` (this is BERT's rule). Capitals are letters of their own. Leave the set of pieces as it is.
#
# <details><summary>Hint 1</summary>
#
# Two loops: the outer one moves the start, the inner one tries ends, from the far end towards the start.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Python's `for … else` runs the `else` when the loop was not left by `break`: nothing fitted.
#
# </details>


# %% answer="wordpiece"
def longest_match(word, pieces):
    """Cut a word into WordPiece's tokens.

    Args:
        word: a string of at least one character.
        pieces: set of strings.

    Returns:
        list of tokens, or ["[UNK]"].

    Example: "unable", {"un", "##a", "##able"} -> ["un", "##able"]
    """
    # BEGIN SOLUTION
    tokens, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in pieces:
                tokens.append(prefix + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return tokens
    # END SOLUTION


# %%
def cut_by_tokenizers(words, pieces):
    """The same by Hugging Face's tokenizers."""
    vocabulary = {piece: i for i, piece in enumerate(["[UNK]", *sorted(pieces)])}
    model = tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]")
    model = tokenizers.Tokenizer(model)
    return [" ".join(model.encode(word).tokens) for word in words]


def random_pieces(seed, size):
    """Made-up pieces of a, b and c, and words that they may or may not spell."""
    rng = np.random.default_rng(seed)

    def draw(longest):
        return "".join(rng.choice(list("abc"), size=rng.integers(1, longest + 1)))

    pieces = {draw(4) for _ in range(size)} | {"##" + draw(3) for _ in range(size)}
    return pieces, [draw(12) for _ in range(60)]


# %% check="wordpiece" part="toy" points=2
with check("60 made-up words") as c:
    pieces, words = random_pieces(31, 9)
    got = [" ".join(longest_match(word, pieces)) for word in words]
    c.equal(
        "tokens",
        got,
        cut_by_tokenizers(words, pieces),
        hint="Is ## before every piece but the first? What becomes of the pieces "
        "already found when nothing fits?",
    )
    c.show(
        "tokens in all, and unknown words",
        [sum(len(t.split()) for t in got), got.count("[UNK]")],
    )

# %% check="wordpiece" part="book" points=1
with check("The book's 2,000 commonest words, pieces of the 300 commonest") as c:
    plain = {w.strip("▁").lower(): book[w] for w in common if w.strip("▁").isalpha()}
    trained = subwords.train_wordpiece(
        dict(list(plain.items())[:300]), 200, min_count=20
    )
    got = [" ".join(longest_match(word, set(trained.pieces))) for word in plain]
    c.equal(
        "tokens",
        got,
        cut_by_tokenizers(plain, trained.pieces),
        hint="Try the longest end first.",
    )
    c.show(
        "tokens in all, and unknown words",
        [sum(len(t.split()) for t in got), got.count("[UNK]")],
    )

# %% check="wordpiece" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other pieces") as c:
    for seed, size in [(32, 4), (33, 15)]:
        pieces, words = random_pieces(seed, size)
        got = [" ".join(longest_match(word, pieces)) for word in words]
        c.equal("tokens", got, cut_by_tokenizers(words, pieces))
        c.show("tokens in all", sum(len(t.split()) for t in got))

with check("Long pieces, capitals, and the set as it was") as c:
    pieces = {"incomprehensible", "##ly", "##incomprehensible", "Un", "un", "[UNK]"}
    before = set(pieces)
    words = ["incomprehensibly", "incomprehensiblely", "Unincomprehensible", "UN", "un"]
    got = [" ".join(longest_match(word, pieces)) for word in words]
    c.equal("tokens", got, cut_by_tokenizers(words, before))
    c.equal("pieces as they were", pieces == before, True)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Greed has no memory: once a long piece is taken, the rest must do with what is left, and one place where nothing fits makes the whole word
# unknown, though another first piece might have worked. That is why real WordPiece vocabularies hold every single character, twice.


# %% wrong="wordpiece" why="no ## before the pieces inside a word" says="Is ## before"
def longest_match(word, pieces):
    tokens, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            if word[start:end] in pieces:
                tokens.append(word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return tokens


# %% wrong="wordpiece" why="keeps what it found and adds [UNK] for the rest" says="nothing fits"
def longest_match(word, pieces):
    tokens, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in pieces:
                tokens.append(prefix + word[start:end])
                start = end
                break
        else:
            return [*tokens, "[UNK]"]
    return tokens


# %% wrong="wordpiece" why="takes the shortest piece that fits" says="longest end first"
def longest_match(word, pieces):
    tokens, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(start + 1, len(word) + 1):
            if prefix + word[start:end] in pieces:
                tokens.append(prefix + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return tokens


# %% wrong="wordpiece" why="never tries the whole rest of the word" says="tokens:"
def longest_match(word, pieces):
    tokens, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word) - 1, start, -1):
            if prefix + word[start:end] in pieces:
                tokens.append(prefix + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return tokens


# %% right="wordpiece" why="recursion on the rest of the word"
def longest_match(word, pieces):
    def rest(prefix, text):
        if not text:
            return []
        fits = [n for n in range(1, len(text) + 1) if prefix + text[:n] in pieces]
        if not fits:
            raise LookupError
        return [prefix + text[: fits[-1]], *rest("##", text[fits[-1] :])]

    try:
        return rest("", word)
    except LookupError:
        return ["[UNK]"]


# %% [markdown]
# ## Question 4 · A vector for an unknown word
# ★ · 20 minutes · 4 points
#
# fastText (Bojanowski et al. 2017, section 3.2) gives vectors to character n-grams. Put `<` before and `>` behind the word; its
# n-grams are all strings of $n$ characters in a row, for all $n$ from `shortest` (at least 2) to `longest`. Each n-gram $g$ has a place $h(g)$ in a
# table $Z$, by a hash function, so that the table needn't hold every n-gram there is. The vector of an unknown word is the
# mean over its n-grams (the paper writes a sum, its program takes the mean), those that occur twice counted twice:
#
# $$v_w = \frac{1}{|G_w|} \sum_{g \in G_w} Z_{h(g)} \tag{2}$$
#
# The hash `bucket` is given.
#
# <details><summary>Hint 1</summary>
#
# How many n-grams of length $n$ has a string of length $m$? The marks are characters like any other.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write the list of n-grams for *cat* with n from 3 to 4 on paper: `<ca`, `cat`, `at>`, `<cat`, `cat>`. A list, not a set.
#
# </details>


# %%
def bucket(ngram, buckets):
    """The row of an n-gram in a table of so many rows: fastText's hash function."""
    return ft_hash_bytes(ngram.encode()) % buckets


# %% answer="oov"
def ngrams(word, shortest, longest):
    """All character n-grams of a word between < and >, as a list in any order.

    Example: "cat", 3, 4 -> ["<ca", "cat", "at>", "<cat", "cat>"]
    """
    # BEGIN SOLUTION
    marked = f"<{word}>"
    return [
        marked[i : i + n]
        for n in range(shortest, longest + 1)
        for i in range(len(marked) - n + 1)
    ]
    # END SOLUTION


def unknown_vector(word, Z, shortest, longest):
    """The vector of a word that has none of its own.

    Args:
        word: a string.
        Z: (buckets, d), the n-grams' vectors; n-gram g has row bucket(g, buckets).
        shortest, longest: lengths of the n-grams.

    Returns:
        (d,), by equation (2); zeros if the word has no n-grams of these lengths.
    """
    # BEGIN SOLUTION
    rows = [bucket(ngram, len(Z)) for ngram in ngrams(word, shortest, longest)]
    return Z[rows].mean(axis=0) if rows else np.zeros(Z.shape[1])
    # END SOLUTION


# %%
def vectors_by_gensim(words, Z, shortest, longest):
    """The same by gensim, which then knows no words, only n-grams."""
    vectors = FastTextKeyedVectors(Z.shape[1], shortest, longest, len(Z))
    vectors.vectors_ngrams = Z
    return np.array([vectors.get_vector(word) for word in words])


# %% check="oov" part="ngrams" points=1
with check("The n-grams of five words") as c:
    cases = [
        ("telephone", 3, 6),
        ("größe", 2, 3),
        ("aaaa", 2, 5),
        ("I", 3, 6),
        ("I", 4, 5),
    ]
    got = [sorted(ngrams(*case)) for case in cases]
    expected = [sorted(compute_ngrams(*case)) for case in cases]
    c.equal(
        "how many",
        [len(grams) for grams in got],
        [len(grams) for grams in expected],
        hint="Are the marks there? Is the longest n among them? Do equal n-grams "
        "count each?",
    )
    c.equal("n-grams", got, expected)

# %% check="oov" part="vector" points=2
with check("Vectors of unknown words, table of 1,000 rows, against gensim") as c:
    Z = np.random.default_rng(41).normal(size=(1000, 6)).astype(np.float32)
    words = ["guitarrist", "größer", "aaaaaa", "no", "mississippi"]
    got = [unknown_vector(word, Z, 3, 6) for word in words]
    c.close(
        "vectors",
        np.array(got),
        vectors_by_gensim(words, Z, 3, 6),
        rtol=1e-4,
        atol=1e-6,
        hint="Is it a mean, over a list in which n-grams may repeat?",
    )
    c.show("their lengths", np.linalg.norm(got, axis=1))

# %% check="oov" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other lengths and words") as c:
    Z = np.random.default_rng(42).normal(size=(50, 3)).astype(np.float32)
    words = ["banana", "東京タワー", "x", "don't", "ananasananas"]
    for shortest, longest in [(2, 2), (2, 5), (3, 3)]:
        got = np.array([unknown_vector(word, Z, shortest, longest) for word in words])
        c.close(
            "vectors",
            got,
            vectors_by_gensim(words, Z, shortest, longest),
            rtol=1e-4,
            atol=1e-6,
        )
    c.close("no n-gram", unknown_vector("a", Z, 5, 6), np.zeros(3))
    c.show("lengths", np.linalg.norm(got, axis=1))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# `<` and `>` make `<ca` (a beginning) another n-gram than `ica` or `dca`: prefixes and suffixes get vectors of their own. Two n-grams may
# fall into one row; with two million rows, as in fastText, that is rare and does little harm. With our 1,000 rows it happens all the time, and the
# formula doesn't mind.


# %% wrong="oov" why="leaves out the marks" says="Are the marks there"
def ngrams(word, shortest, longest):
    return [
        word[i : i + n]
        for n in range(shortest, longest + 1)
        for i in range(len(word) - n + 1)
    ]


def unknown_vector(word, Z, shortest, longest):
    rows = [bucket(ngram, len(Z)) for ngram in ngrams(word, shortest, longest)]
    return Z[rows].mean(axis=0) if rows else np.zeros(Z.shape[1])


# %% wrong="oov" why="range leaves out the longest n-grams" says="longest n"
def ngrams(word, shortest, longest):
    marked = f"<{word}>"
    return [
        marked[i : i + n]
        for n in range(shortest, longest)
        for i in range(len(marked) - n + 1)
    ]


def unknown_vector(word, Z, shortest, longest):
    rows = [bucket(ngram, len(Z)) for ngram in ngrams(word, shortest, longest)]
    return Z[rows].mean(axis=0) if rows else np.zeros(Z.shape[1])


# %% wrong="oov" why="a set: n-grams that repeat count once" says="equal n-grams count each"
def ngrams(word, shortest, longest):
    marked = f"<{word}>"
    return sorted(
        {
            marked[i : i + n]
            for n in range(shortest, longest + 1)
            for i in range(len(marked) - n + 1)
        }
    )


def unknown_vector(word, Z, shortest, longest):
    rows = [bucket(ngram, len(Z)) for ngram in ngrams(word, shortest, longest)]
    return Z[rows].mean(axis=0) if rows else np.zeros(Z.shape[1])


# %% wrong="oov" why="the sum of the paper's equation, not the mean asked for" says="Is it a mean"
def ngrams(word, shortest, longest):
    marked = f"<{word}>"
    return [
        marked[i : i + n]
        for n in range(shortest, longest + 1)
        for i in range(len(marked) - n + 1)
    ]


def unknown_vector(word, Z, shortest, longest):
    rows = [bucket(ngram, len(Z)) for ngram in ngrams(word, shortest, longest)]
    return Z[rows].sum(axis=0)


# %% right="oov" why="start by start, and a product with counts"
def ngrams(word, shortest, longest):
    marked = "<" + word + ">"
    found = []
    for start in range(len(marked)):
        for end in range(start + shortest, start + longest + 1):
            if end <= len(marked):
                found.append(marked[start:end])
    return found


def unknown_vector(word, Z, shortest, longest):
    weights = np.zeros(len(Z))
    for ngram in ngrams(word, shortest, longest):
        weights[bucket(ngram, len(Z))] += 1
    return weights @ Z / max(weights.sum(), 1)


# %% [markdown]
# ## Question 5 · Counts that keep up
# ★★ · 35 minutes · 5 points
#
# Question 1 counts all pairs of all words anew for each merge. But a merge changes only the words that hold the pair. Keep, beside the
# counts, where each pair occurs, and correct both after a merge:
#
# - `words[i]` is the list of symbols of word $i$, and `often[i]` how often it occurs;
# - `counts[pair]` is the pair's count in the text;
# - `where[pair]` is the set of all $i$ whose word holds the pair.
#
# Change all but `often` in place. Afterwards each must be what counting anew would give: no pair counts less than one, so a pair that is gone is deleted
# from `counts` and from `where`. And look only at the words that the merge changes: the check watches which you read.
#
# <details><summary>Hint 1</summary>
#
# For each word that changes: take all its pairs away from the counts, merge, add its new pairs. That is simpler than thinking about
# which neighbours changed, and just as quick for short words.
#
# </details>
# <details><summary>Hint 2</summary>
#
# You will change `where[pair]` while you go through it: go through a copy. A pair may stand twice in a word, and the word must leave `where` once.
#
# </details>


# %% answer="update"
def merge_everywhere(words, often, counts, where, pair):
    """Merge a pair in all words, and bring counts and where up to date, in place.

    Args:
        words: list of lists of symbols.
        often: list of integers, each word's count.
        counts: Counter, pair -> count.
        where: dict, pair -> set of places in `words`; a new pair has no set yet.
        pair: (left, right), the pair to merge, from left to right in each word.
    """
    # BEGIN SOLUTION
    for i in sorted(where[pair]):
        symbols = words[i]
        for old in pairwise(symbols):
            counts[old] -= often[i]
            where[old].discard(i)
        result = []
        for symbol in symbols:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        for new in pairwise(result):
            counts[new] += often[i]
            where.setdefault(new, set()).add(i)
        for old in pairwise(symbols):
            if not counts[old]:
                counts.pop(old, None)
                where.pop(old, None)
        words[i] = result
    # END SOLUTION


# %%
class Watched(list):
    """A list that notes which of its places are read."""

    def __init__(self, items):
        super().__init__(items)
        self.read = set()

    def __getitem__(self, i):
        self.read.update(
            range(len(self))[i] if isinstance(i, slice) else [i % len(self)]
        )
        return super().__getitem__(i)

    def __iter__(self):
        self.read.update(range(len(self)))
        return super().__iter__()


# %%
toy_merges = [("a", "b"), ("b", "b"), ("ab", "ab"), ("c", "c")]
toy_merges += [("a", "a"), ("d", "bb"), ("cc", "d"), ("aa", "c")]


def counted_anew(words, often):
    """Counts and places of all pairs, from nothing."""
    where = defaultdict(set)
    for i, symbols in enumerate(words):
        for pair in bigrams(symbols):
            where[pair].add(i)
    parts = list(zip(list.copy(words), often, strict=True))
    return counted_by_nltk(parts), dict(where)


def placed(where):
    """Pairs with their places, in order."""
    return sorted((*pair, sorted(places)) for pair, places in where.items())


def after_merges(parts, merges):
    """What the answer makes of a text: words, counts, places; and needless reads."""
    words, often = (
        Watched([list(symbols) for symbols, _ in parts]),
        [n for _, n in parts],
    )
    counts, where = counted_anew(words, often)
    counts, needless = Counter(counts), 0
    for pair in merges:
        holds = set(where.get(pair, ()))
        if holds:
            words.read = set()
            merge_everywhere(words, often, counts, where, pair)
            needless += len(words.read - holds)
    return [*words], often, counts, where, needless


# %% check="update" part="counts" points=2
with check("Twelve made-up words, eight merges") as c:
    words, often, counts, where, _ = after_merges(random_parts(51), toy_merges)
    expected = [list(symbols) for symbols, _ in random_parts(51)]
    for pair in toy_merges:
        expected = [merged_by_regex(symbols, pair) for symbols in expected]
    c.equal(
        "words",
        [" ".join(w) for w in words],
        [" ".join(w) for w in expected],
        hint="Merge from left to right, in each word that holds the pair.",
    )
    c.equal(
        "counts",
        listed(counts),
        listed(counted_anew(expected, often)[0]),
        hint="Too high: which old pairs vanished beside the merged one? Too low: a "
        "pair may stand twice in a word. Zero: delete it.",
    )
    c.show("sum of the counts", sum(counts.values()))

# %% check="update" part="where" points=1
with check("Where the pairs occur, after the same merges on other words") as c:
    words, often, counts, where, _ = after_merges(random_parts(52), toy_merges)
    got, expected = placed(where), placed(counted_anew(words, often)[1])
    c.equal(
        "places",
        got,
        expected,
        hint="A word leaves where[pair] when its last such pair is gone; a pair "
        "without places is deleted.",
    )
    c.show("sum of the places", sum(sum(places) for *_, places in got))

# %% check="update" part="visits" points=1
with check("600 words of the book, 80 merges: only words that change are read") as c:
    parts = [(list(word), book[word]) for word in common[:600]]
    merges = subwords.train_bpe({w: book[w] for w in common[:600]}, 80).merges
    words, often, counts, where, needless = after_merges(parts, merges)
    c.equal(
        "words read without need",
        needless,
        0,
        hint="Which words hold the pair? You were told.",
    )
    c.equal("counts", listed(counts), listed(counted_anew(words, often)[0]))
    c.show(
        "the most frequent pairs now", sorted(counts, key=lambda p: (-counts[p], p))[:4]
    )

# %% check="update" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Runs of equal letters, and merges in another order") as c:
    for seed in (53, 54):
        merges = [
            ("b", "b"),
            ("bb", "b"),
            ("a", "b"),
            ("ab", "bb"),
            ("b", "a"),
            ("bb", "bb"),
        ]
        words, often, counts, where, needless = after_merges(
            random_parts(seed, "ab", 20), merges
        )
        expected = [list(symbols) for symbols, _ in random_parts(seed, "ab", 20)]
        for pair in merges:
            expected = [merged_by_regex(symbols, pair) for symbols in expected]
        c.equal("words", [" ".join(w) for w in words], [" ".join(w) for w in expected])
        anew, places = counted_anew(expected, often)
        c.equal("counts", listed(counts), listed(anew))
        c.equal("places", placed(where), placed(places))
        c.equal("needless reads", needless, 0)
        c.show("sum of the counts", sum(counts.values()))
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Subtract everything, merge, add everything. The pairs that the merge left alone are subtracted and added back, so their counts end where they
# began, and there is no list of special cases for the neighbours of a merged pair. Pairs are deleted only after the new ones are added, since an old pair may
# still stand elsewhere in the word. With the words' places known, 500 merges of the book visit about a hundredth of what counting anew does.


# %% wrong="update" why="forgets the neighbours: only the merged pair loses its count" says="vanished beside"
def merge_everywhere(words, often, counts, where, pair):
    for i in sorted(where.pop(pair)):
        result = []
        for symbol in words[i]:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        for new in pairwise(result):
            if new not in set(pairwise(words[i])):
                counts[new] += often[i]
                where.setdefault(new, set()).add(i)
        words[i] = result
    del counts[pair]


# %% wrong="update" why="counts all words anew" says="words read without need"
def merge_everywhere(words, often, counts, where, pair):
    counts.clear()
    where.clear()
    for i in range(len(words)):
        result = []
        for symbol in words[i]:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        words[i] = result
        for new in pairwise(result):
            counts[new] += often[i]
            where.setdefault(new, set()).add(i)


# %% wrong="update" why="changes each pair's count once, though it stands twice in the word" says="may stand twice"
def merge_everywhere(words, often, counts, where, pair):
    for i in sorted(where[pair]):
        for old in set(pairwise(words[i])):
            counts[old] -= often[i]
            where[old].discard(i)
        result = []
        for symbol in words[i]:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        words[i] = result
        for new in set(pairwise(result)):
            counts[new] += often[i]
            where.setdefault(new, set()).add(i)
    for old in [old for old, n in counts.items() if not n]:
        counts.pop(old)
        where.pop(old)


# %% wrong="update" why="leaves words in the places of pairs they no longer hold" says="A word leaves"
def merge_everywhere(words, often, counts, where, pair):
    for i in sorted(where[pair]):
        for old in pairwise(words[i]):
            counts[old] -= often[i]
        result = []
        for symbol in words[i]:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        words[i] = result
        for new in pairwise(result):
            counts[new] += often[i]
            where.setdefault(new, set()).add(i)
    for old in [old for old, n in counts.items() if not n]:
        counts.pop(old)
        where.pop(old)


# %% wrong="update" why="leaves pairs that count zero" says="Zero: delete it"
def merge_everywhere(words, often, counts, where, pair):
    for i in sorted(where[pair]):
        for old in pairwise(words[i]):
            counts[old] -= often[i]
            where[old].discard(i)
        result = []
        for symbol in words[i]:
            if result and (result[-1], symbol) == pair:
                result[-1] += symbol
            else:
                result.append(symbol)
        words[i] = result
        for new in pairwise(result):
            counts[new] += often[i]
            where.setdefault(new, set()).add(i)


# %% right="update" why="differences of two counters"
def merge_everywhere(words, often, counts, where, pair):
    for i in list(where[pair]):
        before, after, j = words[i], [], 0
        while j < len(before):
            if tuple(before[j : j + 2]) == pair:
                after.append(before[j] + before[j + 1])
                j += 2
            else:
                after.append(before[j])
                j += 1
        old, new = Counter(pairwise(before)), Counter(pairwise(after))
        for changed in old.keys() | new.keys():
            counts[changed] += often[i] * (new[changed] - old[changed])
            places = where.setdefault(changed, set())
            if new[changed]:
                places.add(i)
            else:
                places.discard(i)
            if not places:
                del where[changed], counts[changed]
        words[i] = after


# %% [markdown]
# ## Question 6 · The likeliest cut
# ★★ · 25 minutes · 4 points
#
# In the unigram model each piece has a probability, and the cut of a word into pieces $x_1, …, x_m$ has the product of theirs
# (Kudo 2018, section 3.2). Work with logarithms. Let $\mathrm{best}(e)$ be the log probability of the likeliest cut of the first $e$ characters:
#
# $$\mathrm{best}(0) = 0, \qquad \mathrm{best}(e) = \max_{s < e} \; \mathrm{best}(s) + \log p(x_{s:e}) \tag{3}$$
#
# where $x_{s:e}$ are the characters from $s$ up to $e$, and the maximum runs over those that are pieces. Return the likeliest cut and its log
# probability. If the pieces can't spell the word, return `[]` and $-\infty$.
#
# <details><summary>Hint 1</summary>
#
# Remember for each $e$ which $s$ won. At the end walk back from the last character to the first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Begin with best = 0 at place 0 and $-\infty$ elsewhere. Then $-\infty$ plus something stays $-\infty$, and places that can't be reached take care of themselves.
#
# </details>


# %% answer="viterbi"
def viterbi(word, log_p):
    """The likeliest cut of a word.

    Args:
        word: a string.
        log_p: dict, piece -> log probability.

    Returns:
        pieces: list of strings, [] if the word can't be spelled.
        score: its log probability, -inf if the word can't be spelled.

    Example: "ab", {"a": -1.0, "b": -2.0, "ab": -2.5} -> (["ab"], -2.5)
    """
    # BEGIN SOLUTION
    best = [0.0] + [-np.inf] * len(word)
    last = [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        for s in range(e):
            score = best[s] + log_p.get(word[s:e], -np.inf)
            if score > best[e]:
                best[e], last[e] = score, s
    pieces, e = [], len(word)
    while e and np.isfinite(best[-1]):
        pieces.append(word[last[e] : e])
        e = last[e]
    return pieces[::-1], best[-1]
    # END SOLUTION


# %%
def all_cuts(word):
    """Every way to cut a word, as lists of strings."""
    for marks in product([False, True], repeat=len(word) - 1):
        bounds = [0, *np.flatnonzero(marks) + 1, len(word)]
        yield [word[a:b] for a, b in pairwise(bounds)]


def likeliest(word, log_p):
    """The best of all cuts, by trying them all."""
    scores = {
        tuple(cut): sum(log_p.get(x, -np.inf) for x in cut) for cut in all_cuts(word)
    }
    cut = max(scores, key=scores.get)
    return (list(cut) if np.isfinite(scores[cut]) else []), scores[cut]


def random_model(seed, letters="abc", size=40, longest=5):
    """Made-up pieces with random probabilities; not every letter is a piece."""
    rng = np.random.default_rng(seed)
    pieces = sorted(
        {
            "".join(rng.choice(list(letters), size=rng.integers(1, longest + 1)))
            for _ in range(size)
        }
    )
    p = rng.dirichlet(np.full(len(pieces), 0.5))
    log_p = dict(zip(pieces, np.log(p).tolist(), strict=True))
    words = []
    while len(words) < 25:
        word = "".join(rng.choice(list(letters), size=rng.integers(1, 10)))
        scores = sorted(
            sum(log_p.get(x, -np.inf) for x in cut) for cut in all_cuts(word)
        )
        if scores[-1] == -np.inf or scores[-2:-1] < [scores[-1] - 1e-9]:  # no tie
            words.append(word)
    return log_p, words


# %% check="viterbi" part="toy" points=2
with check("25 made-up words, against all their cuts") as c:
    log_p, words = random_model(72, "abcd", 30)
    got = [viterbi(word, log_p) for word in words]
    expected = [likeliest(word, log_p) for word in words]
    c.equal(
        "cuts",
        [" ".join(cut) for cut, _ in got],
        [" ".join(cut) for cut, _ in expected],
        hint="Is the best cut of the whole word made of the best cut up to its "
        "last piece? A word that can't be spelled has the cut [].",
    )
    c.close(
        "log probabilities",
        np.array([score for _, score in got if score > -1e9]),
        np.array([score for _, score in expected if score > -1e9]),
        hint="Logarithms add. What is the log probability of the empty beginning?",
    )

# %% check="viterbi" part="book" points=1
with check(
    "300 words of the book, pieces and scores of a trained SentencePiece model"
) as c:
    words = {w: n for w, n in book.items() if re.fullmatch("▁[A-Za-z]+", w)}
    model = sentencepiece_model(words, model_type="unigram", vocab_size=600)
    log_p = {model.id_to_piece(i): model.get_score(i) for i in range(3, len(model))}
    chosen = np.random.default_rng(62).choice(sorted(words), size=300).tolist()
    got = [" ".join(viterbi(word, log_p)[0]) for word in chosen]
    c.equal(
        "cuts",
        got,
        [" ".join(model.encode(word.strip("▁"), out_type=str)) for word in chosen],
        hint="Follow one word that differs by hand.",
    )
    c.show("pieces in all", sum(len(cut.split()) for cut in got))

# %% check="viterbi" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other pieces, longer words") as c:
    for seed, letters in [(63, "ab"), (64, "abcd")]:
        log_p, words = random_model(seed, letters, 30, 6)
        before = dict(log_p)
        got = [viterbi(word, log_p) for word in words]
        expected = [likeliest(word, log_p) for word in words]
        c.equal(
            "cuts",
            [" ".join(cut) for cut, _ in got],
            [" ".join(cut) for cut, _ in expected],
        )
        c.equal(
            "spelled",
            [bool(score > -1e9) for _, score in got],
            [bool(score > -1e9) for _, score in expected],
        )
        c.close(
            "scores",
            np.array([score for _, score in got if score > -1e9]),
            np.array([score for _, score in expected if score > -1e9]),
        )
        c.equal("log_p as it was", log_p == before, True)

with check("Unlikely words, a likelier split, words that can't be spelled") as c:
    log_p = {"a": -900.0, "b": -1.0, "c": -0.5, "bc": -2.0, "cb": -1.75}
    words = ["aaab", "bc", "cb", "b" * 14 + "a", "x", "bxb"]
    got = [viterbi(word, log_p) for word in words]
    want = [likeliest(word, log_p) for word in words]
    c.equal("cuts", [" ".join(x) for x, _ in got], [" ".join(x) for x, _ in want])
    c.close("scores", [float(x) for _, x in got[:4]], [x for _, x in want[:4]])
    hint = "What is the log probability of what can't happen?"
    c.equal("not spelled", [float(x) for _, x in got[4:]], [-np.inf] * 2, hint=hint)
# END HIDDEN TESTS

# %% [markdown] tags=["solution"]
# Equation (3) holds since the pieces are independent: what follows a place doesn't care how the place was reached. So of all ways
# to a place only the best can be part of the best way to the end. A word of 20 characters has half a million cuts and at most 210 edges.


# %% wrong="viterbi" why="greedy: the likeliest next piece, never looking back" says="cuts:"
def viterbi(word, log_p):
    pieces, start, total = [], 0, 0.0
    while start < len(word):
        ends = [e for e in range(start + 1, len(word) + 1) if word[start:e] in log_p]
        if not ends:
            return [], -np.inf
        end = max(ends, key=lambda e: log_p[word[start:e]])
        pieces.append(word[start:end])
        total += log_p[word[start:end]]
        start = end
    return pieces, total


# %% wrong="viterbi" why="a large number in the place of minus infinity" says="what can't happen"
def viterbi(word, log_p):
    best = [0.0] + [-1e10] * len(word)
    last = [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        for s in range(e):
            score = best[s] + log_p.get(word[s:e], -1e10)
            if score > best[e]:
                best[e], last[e] = score, s
    pieces, e = [], len(word)
    while e and best[-1] > -1e10:
        pieces.append(word[last[e] : e])
        e = last[e]
    return pieces[::-1], best[-1]


# %% wrong="viterbi" why="maximises the last piece alone, not the path" says="made of the best cut"
def viterbi(word, log_p):
    best, last = [0.0] + [-np.inf] * len(word), [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        options = [s for s in range(e) if word[s:e] in log_p and np.isfinite(best[s])]
        if options:
            last[e] = max(options, key=lambda s: log_p[word[s:e]])
            best[e] = best[last[e]] + log_p[word[last[e] : e]]
    pieces, e = [], len(word)
    while e and np.isfinite(best[-1]):
        pieces.append(word[last[e] : e])
        e = last[e]
    return pieces[::-1], best[-1]


# %% wrong="viterbi" why="takes the fewest pieces" says="cuts:"
def viterbi(word, log_p):
    best = {0: (0, 0.0, [])}
    for e in range(1, len(word) + 1):
        options = [
            (best[s][0] + 1, best[s][1] + log_p[word[s:e]], [*best[s][2], word[s:e]])
            for s in best
            if word[s:e] in log_p
        ]
        if options:
            best[e] = min(options, key=lambda option: option[0])
    return (
        (best[len(word)][2], best[len(word)][1]) if len(word) in best else ([], -np.inf)
    )


# %% wrong="viterbi" why="returns the pieces from last to first" says="cuts:"
def viterbi(word, log_p):
    best, last = [0.0] + [-np.inf] * len(word), [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        for s in range(e):
            score = best[s] + log_p.get(word[s:e], -np.inf)
            if score > best[e]:
                best[e], last[e] = score, s
    pieces, e = [], len(word)
    while e and np.isfinite(best[-1]):
        pieces.append(word[last[e] : e])
        e = last[e]
    return pieces, best[-1]


# %% wrong="viterbi" why="treats a piece that does not exist as if it cost nothing" says="can't be spelled"
def viterbi(word, log_p):
    best, last = [0.0] + [-np.inf] * len(word), [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        for s in range(e):
            score = best[s] + log_p.get(word[s:e], 0.0)
            if score > best[e]:
                best[e], last[e] = score, s
    pieces, e = [], len(word)
    while e:
        pieces.append(word[last[e] : e])
        e = last[e]
    return pieces[::-1], best[-1]


# %% wrong="viterbi" why="returns nothing for a word that can't be spelled" says="cannot unpack"
def viterbi(word, log_p):
    best = [0.0] + [-np.inf] * len(word)
    last = [0] * (len(word) + 1)
    for e in range(1, len(word) + 1):
        for s in range(e):
            score = best[s] + log_p.get(word[s:e], -np.inf)
            if score > best[e]:
                best[e], last[e] = score, s
    if best[-1] > -np.inf:
        pieces, e = [], len(word)
        while e:
            pieces.append(word[last[e] : e])
            e = last[e]
        return pieces[::-1], best[-1]


# %% right="viterbi" why="from the end, by recursion with memory"
def viterbi(word, log_p):
    memory = {"": (0.0, [])}

    def rest(text):
        if text not in memory:
            options = [(-np.inf, [])]
            for n in range(1, len(text) + 1):
                if text[:n] in log_p:
                    score, pieces = rest(text[n:])
                    options.append((log_p[text[:n]] + score, [text[:n], *pieces]))
            memory[text] = max(options, key=lambda option: option[0])
        return memory[text]

    score, pieces = rest(word)
    return (pieces if np.isfinite(score) else []), score


# %% [markdown]
# ## Question 7 · Learn the probabilities
# ★★★ · 40 minutes · 4 points
#
# Nobody tells the pieces' probabilities. EM finds them (Kudo 2018, section 3.2): given $p$, compute how often each piece is *expected* in the
# text, over all cuts of each word, each cut weighed by its probability; then let the new $p$ be in proportion. Sum over all cuts
# with forward and backward probabilities,
#
# $$\alpha(e) = \sum_{s < e} \alpha(s)\, p(x_{s:e}), \qquad \beta(s) = \sum_{e > s} p(x_{s:e})\, \beta(e), \qquad \alpha(0) = \beta(n) = 1 \tag{4}$$
#
# An edge from $s$ to $e$ lies on the word's path with probability $\alpha(s)\, p(x_{s:e})\, \beta(e) / \alpha(n)$. Return the new probabilities and the log likelihood of the text *under
# the old ones*, $\sum_w n_w \log \alpha_w(n)$, where $n_w$ is the word's count. Every word of the checks can be spelled.
#
# Afterwards the last check runs your EM on 300 words of the book, and measures three things: by how much the likelihood rises, how many pieces die out, and
# how the result depends on where you start.
#
# <details><summary>Hint 1</summary>
#
# List the edges of a word in the order of their start: then α of a start is complete when an edge leaves it. In the reverse order the same holds for β.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The expected counts of a word, each times the length of its piece, add up to the word's length. Use that to test yourself. And each word counts $n_w$ times.
#
# </details>


# %% answer="em"
def em_step(words, p):
    """One step of EM for the unigram model.

    Args:
        words: dict word -> count.
        p: dict piece -> probability, which may be 0.

    Returns:
        new: dict with the keys of p, the new probabilities; they sum to one.
        log_likelihood: of the words under p, in nats.
    """
    # BEGIN SOLUTION
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        end = len(word)
        edges = [
            (s, e) for s in range(end) for e in range(s + 1, end + 1) if word[s:e] in p
        ]
        alpha, beta = [1.0] + [0.0] * end, [0.0] * end + [1.0]
        for s, e in edges:
            alpha[e] += alpha[s] * p[word[s:e]]
        for s, e in reversed(edges):
            beta[s] += p[word[s:e]] * beta[e]
        for s, e in edges:
            share = alpha[s] * p[word[s:e]] * beta[e] / alpha[end]
            expected[word[s:e]] += n * share
        log_likelihood += n * np.log(alpha[end])
    total = sum(expected.values())
    return {piece: count / total for piece, count in expected.items()}, log_likelihood
    # END SOLUTION


# %%
def step_by_autograd(words, p):
    """The same by another road: expected counts are a gradient.

    With log_p as free parameters, d log P(word) / d log p(x) is how often x is
    expected in the word; P(word) is summed over all cuts, one after another.
    """
    log_p = {x: torch.tensor(np.log(q), requires_grad=True) for x, q in p.items() if q}
    total = torch.tensor(0.0, dtype=torch.float64)
    for word, n in words.items():
        cuts = [cut for cut in all_cuts(word) if all(x in log_p for x in cut)]
        scores = torch.stack([sum(log_p[x] for x in cut) for cut in cuts])
        total = total + n * torch.logsumexp(scores, dim=0)
    total.backward()
    total = total.detach()
    expected = {x: log_p[x].grad.item() if x in log_p else 0.0 for x in p}
    whole = sum(expected.values())
    return {x: count / whole for x, count in expected.items()}, total.item()


def random_text(seed, letters="abc"):
    """Made-up words with counts, and pieces with probabilities that can spell them."""
    rng = np.random.default_rng(seed)
    words = {
        "".join(rng.choice(list(letters), size=rng.integers(1, 8))): int(
            rng.integers(1, 9)
        )
        for _ in range(8)
    }
    pieces = sorted(
        {
            w[a:b]
            for w in words
            for a in range(len(w))
            for b in range(a + 1, len(w) + 1)
            if b - a == 1 or rng.random() < 0.4
        }
    )
    p = rng.dirichlet(np.ones(len(pieces)))
    return words, dict(zip(pieces, p.tolist(), strict=True))


# %% check="em" part="step" points=1
with check(
    "One step on made-up words: new probabilities, against gradients of a sum over all cuts"
) as c:
    words, p = random_text(71)
    before = dict(p)
    got, _ = em_step(words, p)
    want, _ = step_by_autograd(words, before)
    c.close(
        "new probabilities",
        np.array([got[x] for x in before]),
        np.array([want[x] for x in before]),
        hint="Does a word count as often as it occurs? Is each edge weighed by "
        "forward times piece times backward, over the word's own probability?",
    )
    c.equal("p as it was", p == before, True)

# %% check="em" part="likelihood" points=1
with check("The log likelihood, three texts") as c:
    texts = [random_text(seed) for seed in (72, 73, 74)]
    c.close(
        "log likelihoods",
        [em_step(*text)[1] for text in texts],
        [step_by_autograd(*text)[1] for text in texts],
        hint="It is that of the old probabilities, and each word counts as often "
        "as it occurs.",
    )

# %%
em_words = {w: book[w] for w in common if re.fullmatch("▁[a-z]{1,9}", w)}
em_words = dict(list(em_words.items())[:300])
seeds = subwords.seed_pieces(em_words, 800, max_length=8)
characters = sum(len(word) * n for word, n in em_words.items())


def starting_point(name):
    """Equal probabilities, shares of the counts, or random ones."""
    if name == "equal":
        weights = np.ones(len(seeds))
    elif name == "counts":
        weights = np.array(list(seeds.values()), dtype=float)
    else:
        weights = np.random.default_rng(75).exponential(size=len(seeds))
    return dict(zip(seeds, (weights / weights.sum()).tolist(), strict=True))


def trace_by_helper(p, steps):
    """Bits per character before each step, and pieces alive at the end."""
    lattices, log_p, bits = (
        subwords.Lattices(em_words, list(p)),
        np.log(list(p.values())),
        [],
    )
    for _ in range(steps):
        log_likelihood, expected = lattices.expected_counts(log_p)
        log_p = subwords.maximize(expected)
        bits.append(-log_likelihood / np.log(2) / characters)
    return bits, int(np.sum(np.exp(log_p) > 1e-6))


# %% check="em" part="measured" points=1 tags=["rtol=1e-3"]
with check(
    "300 words of the book, 800 pieces, 12 steps from three starting points"
) as c:
    traces, alive = {}, {}
    for start in ("equal", "counts", "random"):
        p, bits = starting_point(start), []
        for _ in range(12):
            p, log_likelihood = em_step(em_words, p)
            bits.append(-log_likelihood / np.log(2) / characters)
        traces[start], alive[start] = bits, sum(q > 1e-6 for q in p.values())
    want = {start: trace_by_helper(starting_point(start), 12) for start in traces}
    for start, bits in traces.items():
        c.close(
            f"bits per character from {start}, steps 1, 2, 4, 12",
            np.array(bits)[[0, 1, 3, 11]],
            np.array(want[start][0])[[0, 1, 3, 11]],
            rtol=1e-5,
            hint="See the two checks above.",
        )
        c.true(
            "it never rises",
            all(b <= a + 1e-9 for a, b in pairwise(bits)),
            bits[0] - bits[-1],
        )
    near = all(abs(alive[start] - want[start][1]) <= 3 for start in alive)
    c.true(
        "about this share of the pieces is alive",
        near,
        round(alive["counts"] / 800, 1),
        hint="How many have p > 1e-6 after 12 steps?",
    )

    fig, ax = plt.subplots(figsize=(7, 3))
    for marker, (start, bits) in zip("os^", traces.items(), strict=True):
        ax.plot(range(1, 13), bits, marker=marker, label=f"from {start}")
    ax.set(xlabel="step", ylabel="bits per character")
    ax.legend()
    plt.show()

# %% check="em" part="hidden" points=1
# BEGIN HIDDEN TESTS
with check("Other texts, a piece of probability zero") as c:
    for seed, letters in [(76, "ab"), (77, "abcd")]:
        words, p = random_text(seed, letters)
        dead = max((x for x in p if len(x) > 1), key=p.get)
        p = {x: 0.0 if x == dead else q / (1 - p[dead]) for x, q in p.items()}
        got, log_likelihood = em_step(words, dict(p))
        want, want_likelihood = step_by_autograd(words, p)
        c.close(
            "probabilities",
            np.array([got[x] for x in p]),
            np.array([want[x] for x in p]),
        )
        c.close("log likelihood", log_likelihood, want_likelihood)

with check("A long piece") as c:
    p = {"a": 0.3, "b": 0.2, "ab": 0.2, "ababababab": 0.2, "bababababab": 0.1}
    words = {"ababababab": 4, "bababababab": 2, "ab": 5}
    got, want = em_step(words, p)[0], step_by_autograd(words, p)[0]
    c.close("probabilities", [got[x] for x in p], [want[x] for x in p])
# END HIDDEN TESTS

# %% [markdown]
# **Defend it** (for yourself; not graded). Three starting points end at nearly the same bits per character. Do they end at the same pieces? When would you stop
# EM? And a vocabulary of whole words would make this text likelier still: why is that not what you want?
#
# *Your answer:*

# %% [markdown] tags=["solution"]
# Forward times edge times backward is the probability of all paths through an edge, and dividing by that of all paths makes it a share. The check took another
# road: the gradient of $\log P(w)$ with respect to $\log p(x)$ is the expected count of $x$, which is why automatic differentiation can do the E-step.
#
# EM never makes the text less likely, and most of the gain comes from the first two or three steps. It ends in a local maximum. Here the three starting points leave nearly the same pieces alive, about 300 of them, but not quite the same, nor the same likelihood.
# With pieces as long as the words it would learn the word list by heart, and new words would be spelled letter by letter. The limit on the number of pieces is what forces
# it to find parts that words share.


# %% wrong="em" why="each word counts once" says="Does a word count"
def em_step(words, p):
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word in words:
        end = len(word)
        edges = [
            (s, e) for s in range(end) for e in range(s + 1, end + 1) if word[s:e] in p
        ]
        alpha, beta = [1.0] + [0.0] * end, [0.0] * end + [1.0]
        for s, e in edges:
            alpha[e] += alpha[s] * p[word[s:e]]
        for s, e in reversed(edges):
            beta[s] += p[word[s:e]] * beta[e]
        for s, e in edges:
            expected[word[s:e]] += alpha[s] * p[word[s:e]] * beta[e] / alpha[end]
        log_likelihood += np.log(alpha[end])
    total = sum(expected.values())
    return {piece: count / total for piece, count in expected.items()}, log_likelihood


# %% wrong="em" why="doesn't divide by the word's probability: likely words weigh more" says="the word's own probability"
def em_step(words, p):
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        end = len(word)
        edges = [
            (s, e) for s in range(end) for e in range(s + 1, end + 1) if word[s:e] in p
        ]
        alpha, beta = [1.0] + [0.0] * end, [0.0] * end + [1.0]
        for s, e in edges:
            alpha[e] += alpha[s] * p[word[s:e]]
        for s, e in reversed(edges):
            beta[s] += p[word[s:e]] * beta[e]
        for s, e in edges:
            expected[word[s:e]] += n * alpha[s] * p[word[s:e]] * beta[e]
        log_likelihood += n * np.log(alpha[end])
    total = sum(expected.values())
    return {piece: count / total for piece, count in expected.items()}, log_likelihood


# %% wrong="em" why="counts the pieces of the likeliest cut alone" says="new probabilities"
def em_step(words, p):
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        best, total = {0: (1.0, [])}, [1.0]
        for e in range(1, len(word) + 1):
            options = [
                (best[s][0] * p[word[s:e]], [*best[s][1], word[s:e]])
                for s in best
                if word[s:e] in p
            ]
            total.append(sum(total[s] * p.get(word[s:e], 0.0) for s in range(e)))
            if options:
                best[e] = max(options)
        for piece in best[len(word)][1]:
            expected[piece] += n
        log_likelihood += n * np.log(total[-1])
    whole = sum(expected.values())
    return {piece: count / whole for piece, count in expected.items()}, log_likelihood


# %% wrong="em" why="forgets the backward probabilities" says="backward"
def em_step(words, p):
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        end = len(word)
        edges = [
            (s, e) for s in range(end) for e in range(s + 1, end + 1) if word[s:e] in p
        ]
        alpha = [1.0] + [0.0] * end
        for s, e in edges:
            alpha[e] += alpha[s] * p[word[s:e]]
        for s, e in edges:
            expected[word[s:e]] += n * alpha[s] * p[word[s:e]] / alpha[e]
        log_likelihood += n * np.log(alpha[end])
    total = sum(expected.values())
    return {piece: count / total for piece, count in expected.items()}, log_likelihood


# %% wrong="em" why="the likelihood of the new probabilities" says="that of the old"
def em_step(words, p):
    def pass_over(q):
        expected, log_likelihood = dict.fromkeys(q, 0.0), 0.0
        for word, n in words.items():
            end = len(word)
            edges = [
                (s, e)
                for s in range(end)
                for e in range(s + 1, end + 1)
                if word[s:e] in q
            ]
            alpha, beta = [1.0] + [0.0] * end, [0.0] * end + [1.0]
            for s, e in edges:
                alpha[e] += alpha[s] * q[word[s:e]]
            for s, e in reversed(edges):
                beta[s] += q[word[s:e]] * beta[e]
            for s, e in edges:
                expected[word[s:e]] += (
                    n * alpha[s] * q[word[s:e]] * beta[e] / alpha[end]
                )
            log_likelihood += n * np.log(alpha[end])
        total = sum(expected.values())
        return {x: count / total for x, count in expected.items()}, log_likelihood

    new, _ = pass_over(p)
    return new, pass_over(new)[1]


# %% wrong="em" why="takes the logarithm of a probability that is 0" says="math domain error"
import math


def em_step(words, p):
    log_p = {piece: math.log(q) for piece, q in p.items()}
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        end = len(word)
        edges = [
            (s, e) for s in range(end) for e in range(s + 1, end + 1) if word[s:e] in p
        ]
        alpha, beta = [0.0] + [-np.inf] * end, [-np.inf] * end + [0.0]
        for s, e in edges:
            alpha[e] = np.logaddexp(alpha[e], alpha[s] + log_p[word[s:e]])
        for s, e in reversed(edges):
            beta[s] = np.logaddexp(beta[s], log_p[word[s:e]] + beta[e])
        for s, e in edges:
            share = np.exp(alpha[s] + log_p[word[s:e]] + beta[e] - alpha[end])
            expected[word[s:e]] += n * share
        log_likelihood += n * alpha[end]
    total = sum(expected.values())
    return {piece: count / total for piece, count in expected.items()}, log_likelihood


# %% right="em" why="matrices: the sum over all paths is an inverse"
def em_step(words, p):
    expected, log_likelihood = dict.fromkeys(p, 0.0), 0.0
    for word, n in words.items():
        m = len(word) + 1
        A = np.zeros((m, m))  # A[s, e] = p(x_s:e)
        for s in range(m):
            for e in range(s + 1, m):
                A[s, e] = p.get(word[s:e], 0.0)
        paths = np.linalg.inv(np.eye(m) - A)  # sums over all paths from s to e
        share = paths[0][:, None] * A * paths[:, -1] / paths[0, -1]
        for s, e in zip(*np.nonzero(A), strict=True):
            expected[word[s:e]] += n * share[s, e]
        log_likelihood += n * np.log(paths[0, -1])
    total = sum(expected.values())
    return {x: float(count / total) for x, count in expected.items()}, log_likelihood


# %% [markdown]
# ## What you have now
#
# - BPE from counting to encoding, with the counts that make it fast.
# - WordPiece's and the unigram model's way to cut, and EM for the latter's probabilities.
# - A vector for any string, known or not.
#
# **References**
#
# - Sennrich, Haddow and Birch 2016. [Neural machine translation of rare words with subword units](https://aclanthology.org/P16-1162/).
# - Kudo 2018. [Subword regularization](https://aclanthology.org/P18-1007/).
# - Kudo and Richardson 2018. [SentencePiece](https://aclanthology.org/D18-2012/).
# - Schuster and Nakajima 2012. [Japanese and Korean voice search](https://doi.org/10.1109/ICASSP.2012.6289079).
# - Bojanowski, Grave, Joulin and Mikolov 2017. [Enriching word vectors with subword information](https://aclanthology.org/Q17-1010/).
# - Devlin, Chang, Lee and Toutanova 2019. [BERT](https://aclanthology.org/N19-1423/).
