# %% [markdown]
# # 07 · n-gram language models: what comes next?
#
# **The question.** How probable is a sentence? A machine that knows can choose between two
# readings of a sound, and can write.
#
# **The answer of this lecture.** Count. Predict each word from the few words before it, and do
# something clever about everything that was never seen.
#
# By the end you can turn counts into probabilities, judge a language model by its perplexity,
# smooth it by the best method known for counts, let it write, and hear the difference between
# *recognize speech* and *wreck a nice beach*.
#
# *You need* NumPy and the rules of probability. *It takes* about half a minute on two CPU cores.

# %%
import re
from collections import Counter, defaultdict
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from nltk.lm import MLE, KneserNeyInterpolated
from nltk.util import everygrams
from scipy import stats
from scipy.optimize import minimize
from scipy.special import softmax

from helpers import datasets, plots
from helpers.device import seed_everything
from helpers.likelihood import mix, mixture_weights, perplexity
from helpers.lm_text import encode_lines, load_wikitext2_streams
from helpers.ngram import (
    AddAlpha,
    absolute_backoff,
    continuation_counts,
    count_ngrams,
    estimate_modified_discounts,
    fit_jelinek_mercer,
    jelinek_mercer,
    kneser_ney,
    modified_kneser_ney,
)
from helpers.text import Corpus

seed_everything(7)
plots.use_style()

# %% [markdown]
# ## 1 · One word at a time
#
# A **language model** gives every sequence of words a probability. The **chain rule** of
# probability writes that as a product of predictions, one for each word:
#
# $$p(w_1 … w_T) = \prod_{t=1}^{T} p(w_t \mid w_1 … w_{t-1}) \tag{1}$$
#
# No approximation so far. A model that predicts each word from what came before is called
# **autoregressive**. The other extreme is **memoryless**: every word is drawn alike, whatever came
# before, $p(w_t)$.
#
# A whole past is too much: most pasts occur once. The **Markov assumption** of order $n$ keeps the
# last $n - 1$ words, the **context**. With $n = 2$ the model is a **bigram** model:
#
# $$p(w_t \mid w_1 … w_{t-1}) \approx p(w_t \mid w_{t-n+1} … w_{t-1}) \tag{2}$$
#
# Sentences must begin and end somewhere. `<s>` stands before the first word, and is never
# predicted. `<eos>` (end of sentence) stands after the last, and is predicted like a word.

# %%
toy = ["the cat sat", "the cat ran", "a cat sat", "a dog ran"]
sentences = [["<s>", *line.split(), "<eos>"] for line in toy]
pairs = Counter(pair for s in sentences for pair in pairwise(s))
context_counts = Counter(word for s in sentences for word in s[:-1])


def p_relative(word, context):
    """Relative count c(context word) / c(context)."""
    return pairs[context, word] / context_counts[context]


def p_sentence(line):
    words = ["<s>", *line.split(), "<eos>"]
    return np.prod([p_relative(w, h) for h, w in pairwise(words)])


# %% [markdown]
# The function `p_relative` divides counts $c$: how often did the word follow the context?
#
# $$\hat p(w \mid h) = \frac{c(h\,w)}{c(h)} \tag{3}$$
#
# **Predict before you run.** *A cat ran* is not among the four sentences, and neither is *the dog
# ran*. Work out both probabilities by hand.

# %%
for line in ["the cat sat", "a cat ran", "the dog ran"]:
    print(f"{line:12} {p_sentence(line):.4f}")

# %% [markdown]
# *A cat ran* gets $\tfrac12 \cdot \tfrac12 \cdot \tfrac13 \cdot 1 = \tfrac1{12}$: the model made up a
# sentence from pieces. *The dog* was never seen, so the other is impossible. Remember that zero.
#
# Why divide counts, of all things? Because nothing makes the text likelier. The log likelihood of
# the words after *cat* is $2 \log p(\text{sat}) + 1 \log p(\text{ran})$. Let an optimiser that knows
# nothing of counting find the best $p$. `nltk`, the library of language processing, agrees too.


# %%
def loss(scores):
    return -np.array([2, 1]) @ np.log(softmax(scores))


best = softmax(minimize(loss, [0.0, 0.0]).x)
print("optimiser:", best.round(3), "  counts:", round(p_relative("sat", "cat"), 3))

library = MLE(2)
library.fit(
    [list(everygrams(s, max_len=2)) for s in sentences],
    [w for s in sentences for w in s],
)
same = [np.isclose(library.score(w, [h]), p_relative(w, h)) for h, w in pairs]
print("nltk agrees on", sum(same), "of", len(same), "pairs")

# %% [markdown]
# ## 2 · Real text, and two troubles
#
# WikiText-2 is two million words of Wikipedia in three parts: *train* to count, *valid* for
# choices, *test* to judge. Its **vocabulary** is closed: words seen fewer than three times in *train*
# become the one word `<unk>` (unknown). So no word of the test is unheard of.

# %%
vocabulary, streams = load_wikitext2_streams()
train, valid, test = (streams[part] for part in ("train", "valid", "test"))
V = len(vocabulary)
for part, stream in streams.items():
    print(f"{part:6}{len(stream.ids):10,} words")
print(f"{V:,} different ones;", " ".join(vocabulary.decode(train.ids[2:15])))

# %% [markdown]
# Dictionaries of dictionaries are slow at this size. `count_ngrams` packs each n-gram
# into one 64-bit number, *(id of the context) × (V + 1) + (id of the word)*, and sorts. Equal n-grams
# become neighbours. See it work on eight words (× 3 here: without a start token $V$ ids suffice):

# %%
words = np.array([0, 1, 2, 0, 1, 0, 1, 2])
keys = words[:-1] * 3 + words[1:]  # bigrams: context × 3 + word
print("keys:  ", keys, "→ sorted", np.sort(keys))
keys, counts = np.unique(keys, return_counts=True)
print("bigrams:", [divmod(int(k), 3) for k in keys], "counts:", counts)

# %% [markdown]
# For trigrams, the context is a bigram, and its place in this list is its id: again one number.
# So every order costs one sort. Count the real text up to five words.
#
# **Predict before you run.** There are $V^2 \approx 10^9$ possible bigrams. How many occur in two
# million words? And what share of the *test's* trigrams was never seen in *train*?

# %%
ngrams = count_ngrams(train.ids, order=5, vocabulary_size=V, starts=train.starts)
place = np.arange(len(test.ids)) - np.repeat(test.starts[:-1], np.diff(test.starts))
unseen = []
for n, (_, found) in enumerate(ngrams.look_up(test.ids, test.starts), 1):
    unseen.append(np.mean(found[place >= n - 2] < 0))
    seen = ngrams.sizes[n] - (n == 1)  # <s> alone has an id too
    print(
        f"n = {n}: possible {float(V) ** n:.0e}, seen {seen:9,}, "
        f"unseen in the test {unseen[-1]:.1%}"
    )

# %% [markdown]
# The picture shows both troubles. On the left the possible n-grams grow like $V^n$, while those that
# two million words can hold stay below two million. On the right the share of test n-grams that
# training never saw climbs from none to nineteen in twenty.

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
n = np.arange(1, 6)
axes[0].semilogy(n, float(V) ** n, "o-", label="possible")
axes[0].semilogy(n, ngrams.sizes[1:], "s-", label="seen in training")
axes[0].set(xlabel="n", ylabel="different n-grams", xticks=n)
axes[0].legend()
axes[1].bar(n, unseen, color=plots.COLORS[1])
axes[1].set(xlabel="n", ylabel="test n-grams never seen", xticks=n, ylim=(0, 1))
plt.show()

# %% [markdown]
# With relative counts each of those has probability 0, and so has any text that holds one.
# First we need a measure of how bad a model is. Then we mend it.
#
# ## 3 · Bits, surprise and perplexity
#
# An event of probability $p$ carries $-\log_2 p$ **bits**: a coin flip one, a sure thing none. The
# average over a distribution is its **entropy** $H$. If the truth is $p$ and you believe $q$, your
# average surprise is the **cross-entropy**. What you lose by believing $q$ is the **KL divergence**
# (Shannon 1948; Kullback & Leibler 1951):
#
# $$H(p) = -\sum_x p(x) \log p(x), \quad H(p, q) = -\sum_x p(x) \log q(x) = H(p) + \mathrm{KL}(p \,\|\, q) \tag{4}$$
#
# **Predict before you run.** Four words with probabilities ½, ¼, ⅛, ⅛. How many yes-or-no questions
# does it take on average to find out which one it was? How many if you take all four for equally
# likely?

# %%
p, q = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8]), np.full(4, 1 / 4)
entropy, cross = -np.sum(p * np.log2(p)), -np.sum(p * np.log2(q))
print(f"H(p) = {entropy} bits, H(p, q) = {cross} bits, KL = {cross - entropy} bits")
kl = stats.entropy(p, q, base=2)
print(f"scipy: H(p) = {stats.entropy(p, base=2):.2f}, KL = {kl:.2f}")

# %% [markdown]
# With the natural logarithm the unit is the **nat**; 1 nat = $1 / \ln 2 \approx 1.44$ bits. A text of
# $T$ words stands in for the truth, which nobody knows: the cross-entropy of a model is the
# mean $-\log p$ of the words. Its exponential is the **perplexity** (Jelinek et al. 1977). The base
# cancels, and what remains is the inverse of the geometric mean of the probabilities:
#
# $$\mathrm{PPL} = 2^{\,-\frac1T \sum_t \log_2 p(w_t \mid \cdot)} = e^{-\frac1T \sum_t \ln p(w_t \mid \cdot)} = \Bigl(\prod_t p(w_t \mid \cdot)\Bigr)^{-1/T} \tag{5}$$
#
# **Predict before you run.** A model gives every word of a text probability 1/50. Its perplexity?

# %%
p_words = np.array([0.1, 0.02, 0.5, 0.001])
print("base 2:   ", round(2 ** -np.mean(np.log2(p_words)), 6))
print("base e:   ", round(np.exp(-np.mean(np.log(p_words))), 6))
print("geometric:", round(1 / stats.gmean(p_words), 6))
print("all 1/50: ", round(perplexity(np.log(np.full(9, 1 / 50))), 6))

# %% [markdown]
# So perplexity counts: the model is as unsure as if it chose among that many equally likely words. One
# impossible word makes it infinite, as relative counts do with every long text.
#
# ## 4 · Add a little, or mix
#
# **Add-α** pretends to have seen everything α times more than it did ($\alpha = 1$: Laplace):
#
# $$p(w \mid h) = \frac{c(h\,w) + \alpha}{c(h) + \alpha V} \tag{6}$$
#
# **Predict before you run.** Which does better on *valid*, bigrams or trigrams? Is the best α near 1?

# %%
tried = (1, 0.1, 0.01, 0.001)
for n in (2, 3):
    models = [AddAlpha(ngrams.up_to(n), alpha) for alpha in tried]
    scores = [perplexity(m.log_probabilities(*valid)) for m in models]
    print(
        f"n = {n}:", *(f"α {a}: {s:,.0f}  " for a, s in zip(tried, scores, strict=True))
    )

# %% [markdown]
# Longer contexts make it *worse*. A context seen three times gives almost all its mass to 33,278
# additions. The unigrams know better what is likely, and add-α ignores them.
#
# **Interpolation** asks all orders and mixes the answers (Jelinek & Mercer 1980). Each order $n$ is
# believed with a weight $\lambda_n$, the rest goes to the order below, down to $p_0 = 1/V$:
#
# $$p_n(w \mid h) = \lambda_n \frac{c(h\,w)}{c(h)} + (1 - \lambda_n)\, p_{n-1}(w \mid h') \tag{7}$$
#
# Here $h'$ is $h$ without its first word. If $h$ was never seen, $p_n = p_{n-1}$. On the training text
# $\lambda_n = 1$ would win, for that is what was counted. So fit the weights on *valid*. **EM** (expectation,
# maximisation) does it: ask of each word how likely it came from the upper part (E), then set $\lambda$ to the
# average (M).

# %%
weights = fit_jelinek_mercer(ngrams.up_to(2), *valid)
lower = jelinek_mercer(ngrams.up_to(1), weights[:1])
p_lower = np.exp(lower.log_probabilities(*valid))
*_, (context, found) = ngrams.up_to(2).look_up(*valid)
table = ngrams.tables[1]
totals = np.bincount(table.contexts, weights=table.counts)  # c(h)
p_upper = np.where(found >= 0, table.counts[found], 0) / totals[context]

weight = 0.5
for _ in range(30):
    came_from_upper = weight * p_upper / (weight * p_upper + (1 - weight) * p_lower)
    weight = came_from_upper.mean()
print(f"λ₂ by this loop {weight:.3f}, by the helper {weights[1]:.3f}")

# %%
weights = fit_jelinek_mercer(ngrams, *valid)
print("λ₁ … λ₅:", weights.round(2))
model = jelinek_mercer(ngrams, weights)
print(f"perplexity on valid: {perplexity(model.log_probabilities(*valid)):.0f}")

# %% [markdown]
# The weights tell what a relative count is worth. Of unigrams and bigrams it is believed, of longer
# n-grams hardly: most contexts of two words and more were seen once or twice. $\lambda_2$ fell from
# 0.695, as it is now fitted to what the longer n-grams hand down.
#
# **Back-off** (Katz 1987) is stricter: if the word was seen in this context, trust this order alone
# and take a discount $D$ off its count; only *unseen* words ask the order below, weighted by
# $\gamma(h)$ so that all sums to 1:
#
# $$p_n(w \mid h) = \frac{c(h\,w) - D}{c(h)} \ \text{ if } c(h\,w) > 0, \quad \text{else } \ \gamma(h)\, p_{n-1}(w \mid h') \tag{8}$$
#
# Katz discounts by Good–Turing; the constant $D$ is from Ney, Essen & Kneser (1994).
#
# ## 5 · How much do counts overstate?
#
# Which discount? Measure it, as Church & Gale (1991) did. Deal the lines into two halves, like cards.
# Take the bigrams that one half holds $r$ times. How often does the *other* half hold them on average?
#
# **Predict before you run.** Seen once here: how often there? Seen five times?

# %%
line = np.repeat(np.arange(len(train.starts) - 1), np.diff(train.starts))
halves = [count_ngrams(train.ids[line % 2 == k], 2, V).tables[1] for k in (0, 1)]
there = halves[1].find(halves[0].keys)
there = np.where(there >= 0, halves[1].counts[there], 0)
for r in (1, 2, 3, 4, 5, 8):
    mean = there[halves[0].counts == r].mean()
    print(f"seen {r} times here: {mean:.2f} times there, {r - mean:.2f} fewer")

# %% [markdown]
# A count tells too much, and by nearly the same amount whether it is 2 or 5: about 1. Hence **absolute
# discounting**: take a fixed $D$ off every count, and hand out what was taken.
#
# ## 6 · Kneser–Ney: how many friends has a word?
#
# Look at what it is handed to. *Angeles* is frequent, because *Los Angeles* is. After any other word
# it is nearly impossible. When the bigram fails, the plain count of *Angeles* misleads. Ask rather
# after **how many different words** it has been seen. This is its **continuation count**.
#
# **Predict before you run.** Which of these words has followed only one other, though all occur as often?

# %%
continuations = continuation_counts(ngrams.up_to(2))[0]
for word in ["kind", "Spain", "Angeles", "mainly", "paper"]:
    i = vocabulary[word]
    print(
        f"{word:9} seen {vocabulary.counts[i]:4} times, after {continuations[i]:3} different words"
    )

# %% [markdown]
# **Kneser–Ney smoothing** (Kneser & Ney 1995, as interpolated by Chen & Goodman 1998) is absolute
# discounting with continuation counts in all orders but the highest. With $N_{1+}(\cdot\, w)$ the number
# of different words before $w$, and $N_{1+}(h\,\cdot)$ that of different words after $h$, for bigrams:
#
# $$p(w \mid h) = \frac{\max(c(h\,w) - D, 0)}{c(h)} + \frac{D\, N_{1+}(h\,\cdot)}{c(h)}\, p_1(w), \qquad p_1(w) \propto N_{1+}(\cdot\, w) \tag{9}$$
#
# The weight of $p_1$ is exactly what the discount took. Here it is for the toy, with $D = 0.75$.

# %%
before, after = defaultdict(set), defaultdict(set)
for h, w in pairs:
    before[w].add(h)
    after[h].add(w)


def p_kneser_ney(w, h, D=0.75):
    p_1 = len(before[w]) / len(pairs)
    taken = D * len(after[h])
    return (max(pairs[h, w] - D, 0) + taken * p_1) / context_counts[h]


for w, h in [("dog", "a"), ("dog", "the"), ("cat", "the")]:
    print(f"p({w} | {h}) = {p_kneser_ney(w, h):.4f}")

# %% [markdown]
# *The dog* has lost its zero. Now the same three ways: the loop above, the helper's sorted arrays, and
# nltk.

# %%
names = sorted({word for s in sentences for word in s} - {"<s>"})
ids = np.array([names.index(word) for s in sentences for word in s[1:]])
starts = np.cumsum([0] + [len(s) - 1 for s in sentences])
arrays = kneser_ney(count_ngrams(ids, 2, len(names), starts), discounts=[0, 0.75])
library = KneserNeyInterpolated(2, discount=0.75)
library.fit([list(everygrams(s, max_len=2)) for s in sentences], [*names, "<s>"])

mine = [[p_kneser_ney(w, h) for w in names] for h in names if h != "<eos>"]
helper = [arrays.probabilities([i]) for i, h in enumerate(names) if h != "<eos>"]
theirs = [[library.score(w, [h]) for w in names] for h in names if h != "<eos>"]
print(
    "loop = helper:",
    np.allclose(mine, helper),
    "  loop = nltk:",
    np.allclose(mine, theirs),
)
print("each row sums to 1:", np.allclose(np.sum(mine, axis=1), 1))

# %% [markdown]
# **Modified** Kneser–Ney (Chen & Goodman 1998, eq. 26) takes three discounts, for counts of 1, of 2 and of
# 3 or more. With $N_k$ the number of n-grams whose count is $k$ they are estimated by
#
# $$D_k = k - (k + 1)\, \frac{N_1}{N_1 + 2 N_2} \cdot \frac{N_{k+1}}{N_k} \tag{10}$$
#
# Like our plain `kneser_ney`, it also mixes the unigrams with $1/V$, so that even a word never counted can come.

# %%
for n, counts in enumerate(continuation_counts(ngrams), 1):
    print(f"n = {n}: D₁, D₂, D₃₊ =", estimate_modified_discounts(counts).round(3))

# %% [markdown]
# **Predict before you run.** Five methods, orders 2 to 5, one test. Which wins? For which methods does a
# fifth word still help?

# %%
by_method = {
    "add-α": lambda c: min(
        (AddAlpha(c, a) for a in tried),
        key=lambda m: perplexity(m.log_probabilities(*valid)),
    ),
    "back-off": absolute_backoff,
    "interpolation": lambda c: jelinek_mercer(c, fit_jelinek_mercer(c, *valid)),
    "Kneser–Ney": kneser_ney,
    "modified Kneser–Ney": modified_kneser_ney,
}
orders = (2, 3, 4, 5)
results = {
    name: [perplexity(smooth(ngrams.up_to(n)).log_probabilities(*test)) for n in orders]
    for name, smooth in by_method.items()
}
print(f"{'n =':20}", *(f"{n:8}" for n in orders))
for name, scores in results.items():
    print(f"{name:20}", *(f"{score:8,.1f}" for score in scores))

# %% [markdown]
# The picture shows the table without add-α, which is off the scale from $n = 3$ on. Back-off gets worse from
# $n = 4$ on: it believes in whatever it has seen once. Kneser–Ney stays lowest, and longer contexts do not hurt it.

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
for (name, scores), marker in zip([*results.items()][1:], "o^sD", strict=True):
    ax.plot(orders, scores, marker=marker, label=name)
ax.set(xlabel="n", ylabel="perplexity on the test", xticks=orders)
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# The professional's tool for this is KenLM. `benchmarks/ngram.py` gives it the same text: its probability
# of each of the 245,569 test words equals ours to three decimals of the logarithm. (It also times nltk,
# which takes some 80 times as long as the sorted arrays.)
#
# And does it sum to 1, in contexts seen and unseen? For each, add up all 33,278 words.

# %%
model = modified_kneser_ney(ngrams)


def encode(line):
    """The ids of a line's words, a list."""
    return encode_lines([line.split()], vocabulary).ids[:-1].tolist()


for line in ["in the United", "United in the", "Angeles garlic", ""]:
    off = abs(model.probabilities(encode(line)).sum() - 1)
    print(f"after {line!r:16} off by less than 1e-12: {off < 1e-12}")

# %% [markdown]
# ## 7 · Scoring and writing
#
# **Predict before you run.** The same eight words in two orders: how many times likelier is the first?

# %%
for line in [
    "The film was released in the United States",
    "States film the in released The United was",
]:
    log_p = model.log_probabilities(encode(line)).sum()
    print(f"{line:43} log10 p = {log_p / np.log(10):.1f}")

# %% [markdown]
# A model of the next word is also a writer: draw a word, append it, repeat. Besides Wikipedia, read
# 18 books of Project Gutenberg, from the Bible to *Moby Dick*.

# %%
books = [
    re.findall(r"\w+(?:'\w+)*|[^\w\s]", paragraph)
    for book in datasets.load_gutenberg().values()
    for paragraph in re.split(r"\n\s*\n", book)
]
books = encode_lines(books, vocabulary)
book_ngrams = count_ngrams(books.ids, 5, V, books.starts)
book_model = modified_kneser_ney(book_ngrams)

# %% [markdown]
# **Predict before you run.** From which order on does the text sound like language?


# %%
def write(model, beginning="", n=16, seed=0, choose=lambda p: p):
    """Draw n words, each from choose(probabilities); no <unk>, no <eos>."""
    rng = np.random.default_rng(seed)
    ids = [model.ngrams.start, *encode(beginning)]
    for _ in range(n):
        p = model.probabilities(ids)
        p[[vocabulary["<unk>"], vocabulary["<eos>"]]] = 0
        ids.append(int(rng.choice(V, p=choose(p / p.sum()))))
    return " ".join(vocabulary.decode(ids[1:]))


print("n = 1:", write(AddAlpha(ngrams.up_to(1), 1)))
for n in (2, 3, 5):
    text = write(modified_kneser_ney(ngrams.up_to(n)))
    print(f"n = {n}:", text)
levels = ngrams.look_up(encode(text))
known = sum((context >= 0).astype(int) for context, _ in levels) - 1
print("       known context, in words:", *known)
print("books:", write(book_model, seed=3))

# %% [markdown]
# Without memory ($n = 1$) it is word salad. From two words on the beginnings fit (*During the first*), but
# nothing leads anywhere. Mishaps begin with an unlikely draw: each such word is rare, but there are thousands
# of them. One derails the rest, and a longer $n$ hardly helps: after a rare word no long context was ever seen.
# The line below $n = 5$ counts, draw by draw, the words of context (with `<s>`) that training had seen: all four
# only once. Three ways to draw more carefully:
#
# - **Temperature** $\tau$: draw from $p^{1/\tau}$, made to sum to 1. Below 1 it sharpens, above 1 it flattens.
# - **Top-k**: keep the $k$ likeliest words (Fan et al. 2018).
# - **Nucleus**: keep the likeliest words until their sum reaches a share (Holtzman et al. 2020).


# %%
def reshape(p, temperature=1.0, top_k=V, nucleus=1.0):
    """Probabilities (V,) sharpened or flattened, then cut, then made to sum to 1."""
    p = p ** (1 / temperature)
    p = p / p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]  # the sum of all likelier words
    keep = (np.arange(len(p)) < top_k) & (before < nucleus)
    kept = np.zeros_like(p)
    kept[order[keep]] = p[order[keep]]
    return kept / kept.sum()


p = model.probabilities(encode("The film was"))
logits = torch.tensor(p).log()
best = logits.topk(10)
theirs = torch.zeros(V, dtype=torch.float64)
theirs[best.indices] = (best.values / 0.5).softmax(0)
print("equals torch:", np.allclose(reshape(p, 0.5, top_k=10), theirs))
beyond = np.sort(p)[:-500].sum()
print(f"all but the 500 likeliest words together: {beyond:.2f}")
for line in ("The film was", "the United", "in the"):
    inside = reshape(model.probabilities(encode(line)), nucleus=0.5) > 0
    print(f"nucleus ½ after {line!r}: words kept: {inside.sum()}")

# %% [markdown]
# One draw in six comes from far down the list. The picture shows the 25 likeliest words after *The film
# was*: above at three temperatures, below what top-k 10 and a nucleus of ½ leave of them. Here the nucleus
# takes more words than ten, after *the United* only one.

# %%
top = np.argsort(-p, kind="stable")[:25]
fig, axes = plt.subplots(2, 1, figsize=(9, 5.4), sharex=True)
for temperature, marker in zip((0.5, 1, 2), "o^s", strict=True):
    axes[0].plot(
        reshape(p, temperature)[top], marker=marker, label=f"τ = {temperature}"
    )
axes[0].set(yscale="log", ylabel="probability")
axes[0].legend(ncol=3)
for label, cut, shift in [
    ("top-k 10", {"top_k": 10}, -0.2),
    ("nucleus ½", {"nucleus": 0.5}, 0.2),
]:
    axes[1].bar(np.arange(25) + shift, reshape(p, **cut)[top], 0.4, label=label)
axes[1].set_xticks(range(25), vocabulary.decode(top), rotation=60, ha="right")
axes[1].set(ylabel="probability")
axes[1].legend()
plt.show()

# %% [markdown]
# **Predict before you run.** Which of these keeps saying what everybody says? Which is word salad?

# %%
for cut in [
    {"temperature": 2},
    {},
    {"temperature": 0.3},
    {"top_k": 10},
    {"nucleus": 0.5},
]:
    name = ", ".join(f"{k} {v}" for k, v in cut.items()) or "as it is"
    print(
        f"{name:15}",
        write(model, "The film was", 13, 1, lambda p, cut=cut: reshape(p, **cut)),
    )

# %% [markdown]
# ## 8 · Two models know more than one
#
# An **ensemble** mixes models word by word: $p = \sum_m \pi_m\, p_m$. EM fits the weights $\pi$ as it
# fitted $\lambda$, on text that neither model has read. Here that is the first half of the Brown corpus of
# American prose: news, essays, novels. The second half is the test.
#
# **Predict before you run.** Wikipedia or old novels: which knows Brown better, and how much does the mix gain?

# %%
brown = encode_lines(datasets.load_brown(), vocabulary)
log_p = np.stack([m.log_probabilities(*brown) for m in (model, book_model)], axis=1)
half = brown.starts[len(brown.starts) // 2]
weights = mixture_weights(log_p[:half])
print("weights:", weights.round(2))
print(f"Wikipedia {perplexity(log_p[half:, 0]):.0f}, books {perplexity(log_p[half:, 1]):.0f}, "
      f"mixed {perplexity(mix(log_p[half:], weights)):.0f}")  # fmt: skip

# %% [markdown]
# The mix beats both by far. For each word one of the two is often lost, and the mix is never more than
# $\log 1/\pi_m$ worse than the better one.
#
# ## 9 · The noisy channel
#
# You hear a sound $a$. Which sentence $s$ was said? By Bayes' rule, with $p(a)$ the same for all $s$:
#
# $$\hat s = \arg\max_s\, p(s \mid a) = \arg\max_s\, \underbrace{p(a \mid s)}_{\text{channel}}\ \underbrace{p(s)}_{\text{language model}} \tag{11}$$
#
# The **channel** says how sentences sound, the **prior** which sentences people say. Shannon's idea (1948)
# carried speech recognition and translation for decades (Jelinek 1976; Brown et al. 1993).
#
# The CMU dictionary spells words in **phonemes**, units of sound. Somebody says *recognize speech*, fast.
# The *g* is lost and two *s*-sounds run together. This arrives:

# %%
pronounce = {
    word: [tuple(phoneme.rstrip("012") for phoneme in spoken) for spoken in ways]
    for word, ways in datasets.load_cmudict().items()
}
heard = ["R", "EH", "K", "AH", "N", "AY", "S", "P", "IY", "CH"]
print("heard              ", *heard)
for line in ["recognize speech", "wreck a nice beach", "wreck a nice peach"]:
    print(
        f"{line:19}",
        *[phoneme for word in line.split() for phoneme in pronounce[word][0]],
    )

# %% [markdown]
# Our channel treats each phoneme alone. It is heard right, or as its voiced or unvoiced twin (*p* as *b*,
# probability 0.04), or not at all (0.05), or as anything else (0.01 in all). Let $f_{l,j}$ be the probability
# that the first $l$ phonemes of a word $s$ were heard as $a_1 … a_j$. Then, summed over all alignments,
#
# $$f_{l,j} = f_{l-1,j-1}\; p(a_j \mid s_l) + f_{l-1,j}\; p(\text{lost}) \tag{12}$$

# %%
phonemes = sorted({x for ways in pronounce.values() for way in ways for x in way})
number = {phoneme: i for i, phoneme in enumerate(phonemes)}
confuse = np.zeros((39, 39))  # (said, heard)
np.fill_diagonal(confuse, 0.94)
for twins in ["P B", "T D", "K G", "S Z", "F V", "SH ZH", "CH JH", "TH DH"]:
    i, j = (number[phoneme] for phoneme in twins.split())
    confuse[i, j] = confuse[j, i] = 0.04
    confuse[i, i] = confuse[j, j] = 0.90
for row in confuse:
    row[row < 0.03] = 0.01 / np.sum(row < 0.03)
a = np.array([number[phoneme] for phoneme in heard])


def channel(said, begin=0, lost=0.05):
    """p(heard[begin:j] | said) for j = 0 … 10: (11,)."""
    f = np.zeros(len(a) + 1)
    f[begin] = 1
    for phoneme in said:
        f = lost * f + np.r_[0, f[:-1] * confuse[number[phoneme], a]]
    return f


# %% [markdown]
# For the prior, take a trigram model of the class mix of lecture 03, which is lower-case and without
# punctuation, like speech.
#
# **Predict before you run.** *Wreck a nice peach* sounds exactly like what was heard. Which of the
# three has the best channel, which the best prior, which the best product?

# %%
corpus = Corpus.from_ids(*datasets.load_class_mix(), min_count=5)
index = corpus.vocabulary.index
speech_ngrams = count_ngrams(corpus.ids, 3, len(index), corpus.starts)
prior = modified_kneser_ney(speech_ngrams)

print(f"{'log10 of':20} p(a|s)    p(s)  product")
for line in ["recognize speech", "wreck a nice beach", "wreck a nice peach"]:
    said = [phoneme for word in line.split() for phoneme in pronounce[word][0]]
    sound = np.log10(channel(said)[-1])
    text = prior.log_probabilities([index[w] for w in line.split()]).sum() / np.log(10)
    print(f"{line:20} {sound:6.1f}  {text:6.1f}  {sound + text:7.1f}")

# %% [markdown]
# The ear alone hears the peach. The prior finds two words likelier than four that hardly belong together,
# by far more than the two lost sounds cost. And did the prior ever read *recognize speech*?

# %%
pair = [index["recognize"], index["speech"]]
print("'recognize speech' is among the bigrams:", speech_ngrams.id_of(pair) >= 0)

# %% [markdown]
# Never. It wins because smoothing makes sense of what was not seen.
#
# But why only three candidates? Compare *all* sequences of the 40,000 words that both corpus and dictionary
# hold. Work through the sound from left to
# right and keep, at each point, the best beginnings that reach it (a **beam search**).


# %%
words = [w for w in index if w in pronounce]
ways = [(w, way) for w in words for way in sorted(set(pronounce[w])) if len(way) <= 12]
ids = np.array([index[word] for word, _ in ways])
spoken = np.full((len(ways), 12), 39)  # 39: a phoneme that costs nothing, after the end
for row, (_, way) in enumerate(ways):
    spoken[row, : len(way)] = [number[phoneme] for phoneme in way]
emit = np.vstack([confuse, np.zeros(39)])[:, a]  # (said, place in heard)
lost = np.r_[np.full(39, 0.05), 1.0]


def channel_of_all(begin):
    """Row by row `channel(way, begin)`: (ways, 11)."""
    f = np.zeros((len(ways), len(a) + 1))
    f[:, begin] = 1
    for said in spoken.T:
        reached = lost[said][:, None] * f
        reached[:, 1:] += f[:, :-1] * emit[said]
        f = reached
    return f


rows = range(0, len(ways), 5000)
fast = channel_of_all(2)
same = [np.allclose(fast[r], channel(ways[r][1], 2)) for r in rows]
print(f"equals the loop on {sum(same)} of {len(same)} words; {len(words):,} in all")

# %%
beam = [[] for _ in range(len(a) + 1)]  # beam[j]: (log p, words) that end at j
beam[0] = [(0.0, ())]
for begin in range(len(a)):
    with np.errstate(divide="ignore"):
        sound = np.log(channel_of_all(begin))
    for score, said in sorted(set(beam[begin]), reverse=True)[:50]:
        context = [speech_ngrams.start, *(index[w] for w in said)]
        text = np.log(prior.probabilities(context))[ids]
        for end in range(begin + 1, len(a) + 1):
            total = score + text + sound[:, end]
            for row in np.argpartition(-total, 30)[:30]:
                beam[end].append((float(total[row]), (*said, ways[row][0])))

for score, said in sorted(set(beam[-1]), reverse=True)[:5]:
    print(f"{score / np.log(10):6.1f}  {' '.join(said)}")

# %% [markdown]
# The winner of all is the same, at the same −12.0 as in the table. The next four are pairs of words too, for the
# prior charges for every word.
#
# ## What you can do now
#
# - Turn counts into a language model, and judge it in bits, nats or perplexity.
# - Smooth it, up to modified Kneser–Ney, and say what each step of the way buys.
# - Let it write, mix it with another, and use it as the prior of a noisy channel.
#
# **Where the idea broke.** An n-gram model knows words as numbers: what it learns of *cat* says nothing of
# *dog*. It never looks back further than a few words, for longer n-grams are nearly all new. And its tables
# grow with the text. Lecture 10 gives words vectors and lets a network predict from those; lecture 12 looks
# back as far as it likes.
#
# **Next:** exercise 07, where you build Kneser–Ney for every order.
#
# ## References
#
# - Shannon (1948), *A Mathematical Theory of Communication*, [Bell System Technical Journal 27](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x)
# - Kullback, Leibler (1951), *On information and sufficiency*, [Annals of Mathematical Statistics 22](https://doi.org/10.1214/aoms/1177729694)
# - Jelinek (1976), *Continuous speech recognition by statistical methods*, [Proceedings of the IEEE 64](https://doi.org/10.1109/PROC.1976.10159)
# - Jelinek, Mercer, Bahl, Baker (1977), *Perplexity: a measure of the difficulty of speech recognition tasks*, [JASA 62](https://doi.org/10.1121/1.2016299)
# - Jelinek, Mercer (1980), *Interpolated estimation of Markov source parameters from sparse data*, Pattern Recognition in Practice
# - Katz (1987), *Estimation of probabilities from sparse data*, [IEEE ASSP 35](https://doi.org/10.1109/TASSP.1987.1165125)
# - Church, Gale (1991), *A comparison of the enhanced Good-Turing and deleted estimation methods*, [Computer Speech & Language 5](https://doi.org/10.1016/0885-2308(91)90016-J)
# - Brown, Della Pietra, Della Pietra, Mercer (1993), *The mathematics of statistical machine translation*, [ACL J93-2003](https://aclanthology.org/J93-2003/)
# - Ney, Essen, Kneser (1994), *On structuring probabilistic dependences in stochastic language modelling*, [Computer Speech & Language 8](https://doi.org/10.1006/csla.1994.1001)
# - Kneser, Ney (1995), *Improved backing-off for m-gram language modeling*, [ICASSP](https://doi.org/10.1109/ICASSP.1995.479394)
# - Chen, Goodman (1998), *An empirical study of smoothing techniques for language modeling*, [Harvard TR-10-98](https://dash.harvard.edu/handle/1/25104739)
# - Heafield et al. (2013), *Scalable modified Kneser-Ney language model estimation*, [ACL P13-2121](https://aclanthology.org/P13-2121/)
# - Fan, Lewis, Dauphin (2018), *Hierarchical neural story generation*, [arXiv 1805.04833](https://arxiv.org/abs/1805.04833)
# - Holtzman et al. (2020), *The curious case of neural text degeneration*, [arXiv 1904.09751](https://arxiv.org/abs/1904.09751)
# - Merity et al. (2016), *Pointer sentinel mixture models* (WikiText-2), [arXiv 1609.07843](https://arxiv.org/abs/1609.07843)
