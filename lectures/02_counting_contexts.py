# %% [markdown]
# # 02 · Counting contexts: meaning from company
#
# **The question.** To a machine words are symbols, each as different from the next as from any other.
# How can mere counting turn them into numbers that know which words are alike?
#
# **The answer of this lecture.** Count which words stand near which. Compare the counts with chance.
# Squeeze the table. Words that keep the same company come out close together.
#
# By the end you can build a co-occurrence matrix from millions of words, weigh it by tf-idf and PMI,
# compress it by SVD, compare words by cosine, judge the result by human scores, and read (and
# mistrust) a picture of it.
#
# *You need* NumPy, logarithms and the dot product. *It takes* under a minute on two CPU cores.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from nltk.lm import Lidstone
from nltk.metrics import BigramAssocMeasures
from nltk.util import everygrams, skipgrams
from scipy import sparse
from scipy.spatial import distance
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.manifold import TSNE

from helpers import datasets, plots
from helpers.counts import cooccurrence, pmi, ppmi, truncated_svd
from helpers.device import seed_everything
from helpers.evaluate import evaluate_analogies, evaluate_similarity
from helpers.text import Corpus, Vocabulary, tokenize, window_pairs
from helpers.vectors import WordVectors

rng = seed_everything(2)
plots.use_style()

# %% [markdown]
# ## 1 · A word as a symbol
#
# Number the words of a vocabulary and give word $i$ a vector with a 1 in place $i$ and 0 elsewhere: a
# **one-hot** vector. Load this course's text and do so. (The **class mix** is Wikipedia
# articles, the Brown corpus, and two dictionaries. Words that occur fewer than 15 times are cut out and
# the gaps closed, so what counts as a neighbour may have stood a little farther off.)
#
# **Predict before you run.** *Expert* and *skillful* mean nearly the same, *expert* and *potato* do
# not. What are the two dot products, and the two distances?

# %%
corpus = Corpus.from_ids(*datasets.load_class_mix(), min_count=15)
vocabulary, V = corpus.vocabulary, len(corpus.vocabulary)
print(f"{len(corpus.ids):,} words, {V:,} different ones")


def one_hot(word):
    """(V,), all zeros but one."""
    return (np.arange(V) == vocabulary[word]).astype(int)


expert = one_hot("expert")
for word in ["skillful", "potato"]:
    other = one_hot(word)
    away = np.linalg.norm(expert - other)
    print(f"expert, {word:9} dot product {expert @ other}  distance {away:.3f}")

# %% [markdown]
# Any two different words have dot product 0 and distance $\sqrt 2$. One-hot vectors say that words
# differ, and nothing else. We need vectors that come from how the words are used.
#
# ## 2 · Which word comes next?
#
# The simplest thing to count about use: which word follows. A pair of neighbours is a **bigram**.
# Here is a toy text of three documents and two rows of its table of bigrams.

# %%
sentences = [
    "the expert cook bakes bread",
    "the skillful cook bakes cake",
    "the expert fries the cake",
]
toy = Corpus.from_documents([tokenize(sentence) for sentence in sentences])
words = toy.vocabulary.words


# %%
def bigram_counts(corpus):
    """(V, V) sparse: entry (i, j) says how often word j comes right after word i."""
    pairs = window_pairs(corpus.starts, 1)  # (center, context), to both sides
    first, second = corpus.ids[pairs[pairs[:, 0] < pairs[:, 1]]].T
    size = len(corpus.vocabulary)
    ones = np.ones(len(first), dtype=int)
    return sparse.coo_array((ones, (first, second)), shape=(size, size)).tocsr()


follows = bigram_counts(toy).toarray()
for i in (words.index("expert"), words.index("skillful")):
    row = {w: int(n) for w, n in zip(words, follows[i], strict=True) if n}
    print(words[i], "is followed by", row)

# %% [markdown]
# Shares of a row estimate the probability of the next word. But a pair that this text never shows
# would get probability 0. **Add-α smoothing** adds an imaginary $\alpha$ to every count (Lidstone
# 1920):
#
# $$p(j \mid i) = \frac{n_{ij} + \alpha}{n_i + \alpha (V + 1)}, \qquad n_i = \sum_j n_{ij} \tag{1}$$
#
# The 1 beside $V$ is for "unknown", one extra word for all that the text doesn't hold.
#
# **Predict before you run.** *Expert* is followed once by *cook* and once by *fries*. With 8 words
# and "unknown", what is $p(\textit{cook} \mid \textit{expert})$ for $\alpha = 0$, and for $\alpha = 1$?


# %%
def add_alpha(row, alpha):
    """Eq. (1) for one row of counts (V,): (V + 1,), the last place for "unknown"."""
    n = np.append(row, 0)
    return (n + alpha) / (n.sum() + alpha * len(n))


for alpha in (0, 0.1, 1):
    lidstone = Lidstone(alpha, order=2)
    lidstone.fit([everygrams(s.split(), max_len=2) for s in sentences], sorted(words))
    ours = add_alpha(follows[words.index("expert")], alpha)
    theirs = [lidstone.score(word, ["expert"]) for word in words]
    print(
        f"α = {alpha:3}: p(cook | expert) = {ours[words.index('cook')]:.3f}, "
        f"p(cake | expert) = {ours[words.index('cake')]:.3f}; "
        f"equal to nltk: {np.allclose(ours[:-1], theirs)}"
    )

# %% [markdown]
# How large should $\alpha$ be? **Predict:** in the million words of the **Brown corpus** (American prose
# of 1961), how much probability goes to followers that *never* followed the word, if you add 1?

# %%
brown = Corpus.from_documents(
    [tokenize(" ".join(sentence)) for sentence in datasets.load_brown()], min_count=2
)
follows_brown = bigram_counts(brown)
for word in ["the", "expert"]:
    row = follows_brown[[brown.vocabulary[word]]].toarray().ravel()
    for alpha in (1, 0.001):
        unseen = add_alpha(row, alpha)[np.append(row, 0) == 0].sum()
        print(f"{word:6} seen {row.sum():6,} times, α = {alpha:5}: unseen {unseen:.2f}")

# %% [markdown]
# The same $\alpha = 1$ that moves a sixth of *the* takes nearly all of *expert*.
# Lecture 07 builds language models from such tables, and smooths them better. We are after something
# else: **a row of the table is a vector for a word.** *Expert* and *skillful* are both followed by
# *cook*, so their rows have something in common. That is what one-hot vectors lacked. One neighbour
# is little to go by, though. Take more.
#
# ## 3 · A word you don't know
#
# What is a *velka*? Nobody told you, but you can find out. In the textbook of Jurafsky and Martin the
# unknown word is *ong choy*, and a few sentences with garlic, rice and leaves give it away. Here are
# real lines of our text with *velka* in them.


# %%
def hide(words, n, names, seed):
    """The text with n random occurrences of each word (an id) under a made-up name."""
    rng, ids = np.random.default_rng(seed), corpus.ids.copy()
    for word, new in zip(words, range(V, V + len(names)), strict=True):
        ids[rng.choice(np.flatnonzero(ids == word), n, replace=False)] = new
    counts = np.bincount(ids)
    return Corpus(Vocabulary(vocabulary.words + names, counts), ids, corpus.starts)


# %%
secret = 842  # the id of the word that hides behind "velka"
puzzle = hide([secret], 20, ["velka"], seed=0)
lines = []
for place in np.flatnonzero(puzzle.ids == V):
    document = np.searchsorted(puzzle.starts, place, side="right")
    first = max(puzzle.starts[document - 1], place - 6)
    line = puzzle.ids[first : min(puzzle.starts[document], place + 7)]
    if secret not in line:
        lines.append(puzzle.vocabulary.decode(line))
for line in lines[:9]:
    print(*line)

# %% [markdown]
# **Predict before you go on:** what is a velka?
#
# You could say because you know the company: words that stand in such places. This is the
# **distributional hypothesis** (Harris 1954): words that occur in similar contexts have similar
# meanings. In Firth's much quoted line of 1957, "you shall know a word by the company it keeps". Now let a
# machine do it. It has seen *velka* 20 times.
#
# ## 4 · Count the neighbours
#
# Let $w_1 … w_N$ be the text and $m$ the **window**: how many places to each side count as near. The
# **co-occurrence matrix** counts how often word $j$ stands near word $i$ (windows end with their
# document):
#
# $$X_{ij} = \sum_{t=1}^{N} \; \sum_{0 < |s - t| \le m} [w_t = i]\,[w_s = j] \tag{2}$$
#
# **Predict before you run.** In the toy, with $m = 2$: how often does *the* stand near *the*? ("the
# expert fries the cake".)

# %%
m = 2
X = np.zeros((len(words), len(words)), dtype=int)
for start, end in zip(toy.starts[:-1], toy.starts[1:], strict=True):
    for t in range(start, end):
        for s in range(max(start, t - m), min(end, t + m + 1)):
            if s != t:
                X[toy.ids[t], toy.ids[s]] += 1

print("the near the:", X[words.index("the"), words.index("the")])
print(
    "near 'cook':",
    {w: int(n) for w, n in zip(words, X[words.index("cook")], strict=True) if n},
)
print("symmetric:", np.array_equal(X, X.T))

# %% [markdown]
# The two *the* are three places apart. With $m = 3$ the answer would be 2: each is near the other.
#
# With $m = 5$ a million words would take this loop ten million slow steps. The same sum is a product of
# two matrices. Let row $t$ of $W$ be the one-hot vector of the word at position $t$, and row $t$ of $C$
# the sum of the one-hot vectors in its window. Then $X = W^\top C$. Nearly all entries are 0, so store
# only the others: a **sparse** matrix. `helpers.counts.cooccurrence` does that.

# %%
pairs = window_pairs(toy.starts, m)
N, ones = len(toy.ids), np.ones(len(toy.ids), dtype=int)
W = sparse.csr_array((ones, (np.arange(N), toy.ids)))  # (N, V)
near = sparse.csr_array((np.ones(len(pairs), dtype=int), pairs.T))  # (N, N)
C = near @ W  # (N, V)
print("equal to the loops:", np.array_equal((W.T @ C).toarray(), X))
print("the helper too:", np.array_equal(cooccurrence(toy, m).toarray(), X))

theirs = np.zeros_like(X)
for sentence in sentences:
    for a, b in skipgrams(sentence.split(), 2, m - 1):
        theirs[words.index(a), words.index(b)] += 1
print("nltk's skip-grams, both ways:", np.array_equal(theirs + theirs.T, X))

# %% [markdown]
# **Predict before you run.** How long does it take for Brown's million words with a window of 5? And
# what share of the table is not zero?

# %% tags=["nbval-ignore-output"]
began = time.perf_counter()
X_brown = cooccurrence(brown, 5)
print(f"{len(brown.ids):,} words in {time.perf_counter() - began:.1f} seconds")

# %%
n = len(brown.vocabulary)
print(f"{n:,} × {n:,} entries, of which not zero: {X_brown.nnz / n**2:.2%}")
print(f"as a full table {X_brown.dtype.itemsize * n**2 / 1e9:.1f} GB")

# %% [markdown]
# ## 5 · How near are two words?
#
# A row of $X$ is a point in a space with $V$ dimensions. Take two dimensions, so that we can draw it:
# the contexts *cup* and *road*. Three words and their counts:
#
# |  | cup | road |
# |---|---|---|
# | espresso | 4 | 1 |
# | coffee | 20 | 6 |
# | bus | 10 | 12 |
#
# Three measures compare two rows $u$ and $v$: the dot product, the Euclidean distance, and the cosine
# of the angle between them.
#
# $$u \cdot v = \sum_k u_k v_k, \qquad \lVert u - v \rVert = \sqrt{\sum_k (u_k - v_k)^2}, \qquad
# \cos(u, v) = \frac{u \cdot v}{\lVert u \rVert \, \lVert v \rVert} \tag{3}$$
#
# **Predict before you run.** *Espresso* is rare and *coffee* common. Which of the three measures say
# that *coffee* is nearer to *espresso* than to *bus*?

# %%
names = ["espresso", "coffee", "bus"]
points = np.array([[4, 1], [20, 6], [10, 12]])
unit = points / np.linalg.norm(points, axis=1, keepdims=True)
which = [(0, 1), (0, 2), (1, 2)]
for i, j in which:
    dot, euclid = points[i] @ points[j], np.linalg.norm(points[i] - points[j])
    cosine = unit[i] @ unit[j]
    pair = f"{names[i]}–{names[j]}"
    print(f"{pair:16} dot {dot:3}  Euclid {euclid:5.2f}  cosine {cosine:.3f}")
theirs = 1 - distance.pdist(points, "cosine")
print("equal to SciPy:", np.allclose([unit[i] @ unit[j] for i, j in which], theirs))

# %% [markdown]
# Only the cosine. Dot product and distance see mostly how *frequent* the words are. The cosine
# compares the directions. Another way to the same end: scale all rows to length 1. Then the three
# measures agree on who is nearer, because
#
# $$\lVert u - v \rVert^2 = \lVert u \rVert^2 + \lVert v \rVert^2 - 2\, u \cdot v = 2 - 2 \cos(u, v)
# \quad \text{for } \lVert u \rVert = \lVert v \rVert = 1 \tag{4}$$

# %%
for i, j in which:
    left, right = np.sum((unit[i] - unit[j]) ** 2), 2 - 2 * unit[i] @ unit[j]
    pair = f"{names[i]}–{names[j]}"
    print(f"{pair:16} {left:.4f} = {right:.4f}")

# %% [markdown]
# Ready for *velka*: count the whole text with window 5 and look for the rows with the largest cosine.


# %%
def nearest(matrix, i, n=8):
    """The n rows of a sparse matrix with the largest cosine to row i."""
    lengths = sparse.linalg.norm(matrix, axis=1)
    cosines = (matrix @ matrix[[i]].T).toarray().ravel() / (lengths * lengths[i])
    best = np.argsort(-cosines, kind="stable")
    return [puzzle.vocabulary.words[j] for j in best[: n + 1] if j != i]


X_puzzle = cooccurrence(puzzle, 5)
print("nearest to velka: ", *nearest(X_puzzle, V))
context = X_puzzle[[V]].toarray().ravel()
top = [puzzle.vocabulary.words[j] for j in np.argsort(-context, kind="stable")[:8]]
print("its most frequent contexts:", *top)

# %% [markdown]
# Nonsense, and the second line says why. The largest numbers in a row belong to *of*, *a*, *the*, which
# stand near everything. Frequent is not the same as telling.
#
# ## 6 · Weigh the counts
#
# **tf-idf** takes its weights from search engines. A count beyond the first few adds little, so take
# its logarithm. A context that goes with few of the $V$ words is worth more; let $d_j$ be the number of
# words that $j$ stands near (Spärck Jones 1972 for idf; SMART's scheme *lt*):
#
# $$\text{tf-idf}_{ij} = (1 + \log X_{ij}) \cdot \log \frac{V}{d_j} \quad \text{where } X_{ij} > 0 \tag{5}$$
#
# **PMI**, pointwise mutual information, asks how much more often two words meet than they would by
# chance (Church and Hanks 1990). Negative values are unreliable for rare pairs, so **PPMI** cuts them
# off. With $p_{ij} = X_{ij} / \sum X$, its sums over a row $p_i = \sum_j p_{ij}$ and over a column
# $p_j = \sum_i p_{ij}$, and natural logarithms,
#
# $$\text{PMI}_{ij} = \log \frac{p_{ij}}{p_i \, p_j}, \qquad \text{PPMI}_{ij} = \max(\text{PMI}_{ij}, 0) \tag{6}$$
#
# **Predict before you run.** *Coffee* has met *road* six times, *espresso* once. What does PPMI make of
# these two numbers?

# %%
p = points / points.sum()
chance = p.sum(axis=1, keepdims=True) * p.sum(axis=0)  # (3, 2)
toy_pmi = np.log(p / chance)
toy_ppmi = np.maximum(toy_pmi, 0)
print(toy_ppmi.round(2))
cosines = 1 - distance.squareform(distance.pdist(toy_ppmi, "cosine"))
print(f"cosine espresso–coffee {cosines[0, 1]:.2f}, coffee–bus {cosines[1, 2]:.2f}")

# Together, espresso and cup each in all, everything; nltk uses log2.
bits = BigramAssocMeasures.pmi(4, (5, 34), 53)
print("PMI equal to nltk's:", np.isclose(toy_pmi[0, 0], bits * np.log(2)))
helper = pmi(sparse.csr_array(points), power=1)
print("and to the helper's:", np.allclose(helper.toarray(), toy_pmi, atol=1e-6))

# %% [markdown]
# Both are less often near *road* than chance would have it, so both become 0. The picture of the counts
# turns into a clear answer: *bus* goes with *road*, the other two with *cup*.
#
# Two refinements. PMI overrates rare contexts: a word seen 15 times that meets *velka* once looks
# miraculous. **Context-distribution smoothing** (Levy, Goldberg and Dagan 2015) raises the probability of rare contexts by a power $a < 1$. And a **shift** by $\log k$
# (Levy and Goldberg 2014) asks that a pair be $k$ times likelier than chance before it counts at all:
#
# $$\text{SPPMI}_{ij} = \max\Bigl( \log \frac{p_{ij}}{p_i \, p_a(j)} - \log k, \; 0 \Bigr), \qquad
# p_a(j) = \frac{\bigl(\sum_i X_{ij}\bigr)^a}{\sum_{j'} \bigl(\sum_i X_{ij'}\bigr)^a}, \quad a = 0.75 \tag{7}$$
#
# **Predict before you run.** Take the ten contexts of highest PMI for each of 500 words. When is such a
# context more frequent, with $a = 1$ or with $a = 0.75$? Ten times as frequent, or only a little?

# %%
X = cooccurrence(corpus, 5)


def top_contexts(weighted, i, n=10):
    row = weighted[[i]]
    return row.indices[np.argsort(-row.data, kind="stable")[:n]]


for power in (1, 0.75):
    weighted = pmi(X, power=power)
    best = np.concatenate([top_contexts(weighted, i) for i in range(1000, 1500)])
    typical = np.median(vocabulary.counts[best])
    print(f"a = {power:4}: the median context occurs {typical:.0f} times in the text")

# %% [markdown]
# A small change, 21 to 28, where the rarest word we keep has 15. Now ask again what a velka is.

# %%
by_ppmi = nearest(ppmi(X_puzzle), V)
print("PPMI: ", *by_ppmi)
print("found:", by_ppmi[0] == vocabulary.words[secret])

# %% [markdown]
# Twenty lines were enough. Nothing was told to the machine but which words stand near which.
#
# Was that luck? Test the weightings on human judgements. In **WordSim-353** (Finkelstein et al. 2002)
# people scored pairs of words by how related they are, in **SimLex-999** (Hill et al. 2015) by how
# *similar* (*coffee* and *cup* are related, not similar). **Spearman's ρ** compares their ranking of the
# pairs with that of the cosines: 1 for the same ranking, 0 for no relation.

# %%
wordsim, simlex = datasets.load_wordsim353(), datasets.load_simlex999()
asked = {word.lower() for pair in wordsim + simlex for word in pair[:2]}
asked = sorted(asked & vocabulary.index.keys())
rows = [vocabulary[word] for word in asked]


def scores(matrix):
    """ρ on WordSim-353 and SimLex-999; only the words asked for become full rows."""
    vectors = WordVectors(asked, matrix[rows].astype(np.float32).toarray())
    return [evaluate_similarity(vectors, pairs).rho for pairs in (wordsim, simlex)]


# %%
def tf_idf(X):
    """Eq. (5), sparse."""
    d = np.bincount(X.indices, minlength=X.shape[1])
    values = (1 + np.log(X.data)) * np.log(X.shape[0] / d)[X.indices]
    return sparse.csr_array((values, X.indices, X.indptr), shape=X.shape)


sk = TfidfTransformer(norm=None, sublinear_tf=True, smooth_idf=False)  # has idf + 1
X_toy = cooccurrence(toy, m)
tf = (X_toy > 0) + np.log(X_toy.toarray().clip(1))
difference = tf_idf(X_toy) + tf - sk.fit_transform(X_toy)
print("tf-idf equal to scikit-learn's:", abs(difference).max() < 1e-9)

# %% [markdown]
# **Predict before you run.** Order these from worst to best: counts, tf-idf, PPMI ($a = 1$), smoothed
# PPMI ($a = 0.75$), smoothed and shifted by $\log 5$.

# %% tags=["atol=0.011"]
P = ppmi(X)
table = {
    "counts": scores(X),
    "tf-idf": scores(tf_idf(X)),
    "PPMI, a = 1": scores(ppmi(X, power=1)),
    "PPMI, a = 0.75": scores(P),
    "shifted, k = 5": scores(ppmi(X, shift=5)),
}
for name, (related, similar) in table.items():
    print(f"{name:16} WordSim-353 ρ {related:.2f}   SimLex-999 ρ {similar:.2f}")

# %% [markdown]
# Each step helps. The one from counts to tf-idf brings the most, the comparison with chance comes next,
# then the shift; smoothing hardly matters. Here it pays to ignore pairs that are only a little likelier
# than chance. (That is a single $k$, on two tests.)
#
# ## 7 · From long and sparse to short and dense
#
# The **singular value decomposition** (SVD) writes any matrix $A$ as a sum $\sum_r s_r u_r v_r^\top$: a
# direction $v_r$ in the space of contexts, how far each word lies along it ($u_r$), and its strength
# $s_r$, the singular value. The columns $u_r$ of $U$ have length 1 and are orthogonal, likewise the
# $v_r$ of $V$ (here a matrix), and $S$ holds $s_1 \ge s_2 \ge … \ge 0$ on its diagonal. Keep the first
# $k$ terms (for counts: **latent semantic analysis**, Deerwester et al. 1990):
#
# $$A = U S V^\top, \qquad A_k = U_k S_k V_k^\top \tag{8}$$
#
# Of all matrices with $k$ such terms (of *rank* $k$) this $A_k$ is nearest to $A$, and what is missing is
# the tail (Eckart and Young 1936). With $\lVert \cdot \rVert^2$ for the sum of all squared entries,
#
# $$\lVert A - A_k \rVert^2 = \sum_{r > k} s_r^2 \tag{9}$$
#
# **Predict before you run.** Our three points lie in a plane. Put them on the best line through the
# origin ($k = 1$). What is their cosine then?

# %%
U, s, Vt = np.linalg.svd(points, full_matrices=False)
line = U[:, :1] * s[:1] @ Vt[:1]  # (3, 2), of rank 1
print(line.round(1))
print("cosines:", (1 - distance.pdist(line, "cosine")).round(3))
print(f"squared error {np.sum((points - line) ** 2):.3f} = {np.sum(s[1:] ** 2):.3f}")

mean = points.mean(axis=0)
U_c, s_c, Vt_c = np.linalg.svd(points - mean, full_matrices=False)
theirs = PCA(1).fit_transform(points)
print(
    "PCA is the SVD about the mean:",
    np.allclose(abs(theirs), abs(U_c[:, :1] * s_c[:1])),
)

# %% [markdown]
# On one line every cosine is 1 or −1: too little room for a difference. **PCA** (principal component
# analysis) is the same thing after subtracting the mean of the points.
#
# The picture shows the toy at each step: the counts, where *coffee* is far out; scaled to
# length 1, where only the direction is left; after PPMI, where *espresso* and *coffee* lie on one axis and
# *bus* on the other; and the counts pressed onto the best line.

# %%
fig, axes = plt.subplots(1, 4, figsize=(11, 2.9))
stages = {"counts": points, "length 1": unit, "PPMI": toy_ppmi, "rank 1": line}
for ax, (title, stage) in zip(axes, stages.items(), strict=True):
    for i, mark in enumerate("os^"):
        x, y = stage[i]
        ax.plot([0, x], [0, y], color=plots.COLORS[i], lw=1)
        ax.plot(x, y, mark, color=plots.COLORS[i], label=names[i], clip_on=False)
        if title == "rank 1":
            ax.plot([points[i, 0], x], [points[i, 1], y], "k:", lw=1)
    size = 1.1 * max(stage.max(), points.max() * (title == "rank 1"))
    ax.set(title=title, xlabel="cup", xlim=(0, size), ylim=(0, size), aspect="equal")
axes[0].set(ylabel="road")
axes[0].legend(loc="upper left", fontsize=9)
plt.show()

# %% [markdown]
# Now the real matrix, 29,789 × 29,789. A full SVD would take hours. `truncated_svd` finds the 100
# strongest directions by multiplying with the sparse matrix a few hundred times (Lanczos's method, through
# SciPy). Row $i$ of $U_k$ is then a short vector for word $i$.
#
# **Predict before you run.** A hundred numbers a word in place of 29,789. What share of the
# sum of squares of $P$ (the smoothed PPMI) do they keep?

# %% tags=["atol=0.002"]
svd = truncated_svd(P, 100)
squares = np.sum(P.data.astype(float) ** 2)
print(f"kept by 100 directions: {np.sum(svd.s**2) / squares:.3f}")
print(f"memory: {P.nnz * 8 / 1e6:.0f} MB sparse, {svd.U.nbytes / 1e6:.0f} MB dense")

# %% [markdown]
# A ninth! By the measure of (9) that is a wretched copy. Is it a wretched model of meaning?
#
# The picture shows, against the number of directions: on the left the error that is left, which falls
# slowly from 0.97 to 0.89; on the right the agreement with WordSim-353, which climbs, with a dip at
# $k = 5$. The dashed line is the sparse matrix itself. Of the two curves on the right one uses $U_k$, the
# other $U_k S_k$, in which strong directions weigh more.

# %%
sizes = [2, 3, 5, 10, 20, 35, 50, 70, 100]
error = 1 - np.cumsum(svd.s**2) / squares
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.plot(np.arange(1, 101), error)
left.set(xlabel="directions k", ylabel="error, share of all", ylim=(0, 1))
for power, label in [(0, "$U_k$"), (1, "$U_k S_k$")]:
    rho = [
        evaluate_similarity(
            WordVectors(vocabulary.words, svd.U[:, :k] * svd.s[:k] ** power), wordsim
        ).rho
        for k in sizes
    ]
    right.plot(sizes, rho, "o-", label=label)
right.axhline(table["PPMI, a = 0.75"][0], color="0.4", ls="--", label="sparse P")
right.set(xlabel="directions k", ylabel="WordSim-353 ρ", ylim=(0, 0.8))
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# A hundred numbers can judge better than the 29,789 they came from. But look which. The rows of $U_k S_k$
# have the same cosines as the rows of the copy (8), and that curve ends just under the dashed line:
# losing nearly nine tenths of the squares cost next to nothing here. What passes the line is $U_k$, where
# all directions count alike (Levy, Goldberg and Dagan 2015 also found it better not to keep $S_k$).
#
# **Predict before you run.** What does the strongest direction tell about a word? And the second?

# %% tags=["atol=0.011"]
print("strengths:", svd.s[:3].round(-1))
frequency = np.corrcoef(svd.U[:, 0], np.log(vocabulary.counts))[0, 1]
print(f"first direction and log frequency: correlation {frequency:.2f}")
order = np.argsort(svd.U[:, 1])
for end, ids in [("one", order[-6:]), ("the other", order[:6])]:
    print(f"{end} end of the second:", *sorted(vocabulary.decode(ids)))

# %% [markdown]
# The first says how frequent a word is, which says little about its meaning, and it is more than twice
# as strong as any other. So do not let it weigh more. The second tells plants (the dictionaries are full
# of them; *bot* is their short form of *botany*) from dates.
#
# ## 8 · Friends of friends
#
# Here is one thing that only the short vectors can see. *Garage* has met *car* three times, *chauffeur*
# has met *automobile* three times. To a sparse vector *car* and *automobile* are two different places, as
# different as *car* and *verse*.
#
# **Predict before you run.** What is the cosine of *garage* and *chauffeur* before, and after an SVD with
# $k = 2$? What ties them together? And with $k = 3$?

# %%
people = ["road", "engine", "garage", "chauffeur", "poet"]
met = np.array(
    [  # car  automobile  road  engine  verse
        [3, 3, 0, 1, 0],
        [2, 2, 1, 0, 0],
        [3, 0, 0, 0, 0],
        [0, 3, 0, 0, 0],
        [0, 0, 0, 0, 4],
    ]
)
U, s, Vt = np.linalg.svd(met)
print("strengths:", s.round(1))
US = U * s
for name, space in [("counts", met), ("k = 2 ", US[:, :2]), ("k = 3 ", US[:, :3])]:
    vectors = WordVectors(people, space)
    a, b = (vectors.similarity("garage", w) for w in ("chauffeur", "poet"))
    print(f"{name}: garage–chauffeur {a:z.2f}, garage–poet {b:z.2f}")  # z: no -0.00

# %% [markdown]
# *Road* and *engine* make "car or automobile" the strongest direction (6.0), and whoever met either lies
# on it: all but the poet. This is **second-order** co-occurrence: similar, without a single context in
# common. "Car, not automobile" is the third (3.0), and $k = 2$ drops it. With $k = 3$ the likeness is
# gone: what is cut decides what counts as the same.
#
# Does it matter in real text? Take 100 words of middling frequency. Give ten occurrences of each the
# name *a0*, *a1*, …, and ten others the name *b0*, *b1*, … Each *a* has a twin that means the same, but
# seen in so few lines that the two share few contexts.
#
# **Predict before you run.** For how many of the 100 is the twin the nearest of all *b*? By chance it
# would be one.

# %% tags=["atol=0.031"]
chosen = np.random.default_rng(0).choice(np.arange(500, 3000), 100, replace=False)
labels = [f"{letter}{i}" for letter in "ab" for i in range(100)]
P_twins = ppmi(cooccurrence(hide([*chosen, *chosen], 10, labels, seed=0), 5))
for name, space in [
    ("sparse", P_twins[V:].toarray()),
    ("dense", truncated_svd(P_twins, 100).U[V:]),
]:
    a, b = WordVectors(labels, space).unit.reshape(2, 100, -1)
    found = np.mean((a @ b.T).argmax(axis=1) == np.arange(100))
    print(f"{name:6} twin found: {found:.2f}")

# %% [markdown]
# The short vectors find half again as many.
#
# ## 9 · Thinking in many dimensions
#
# What does a cosine of 0.3 mean? It depends on how many dimensions there are. Draw pairs of random
# vectors, each direction equally likely.
#
# **Predict before you run.** In the plane a random angle is anything. And in 300 dimensions?

# %%
fig, ax = plt.subplots(figsize=(8, 3.2))
for d, color in zip([2, 30, 300], plots.COLORS, strict=False):
    u, v = rng.normal(size=(2, 20_000, d))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    cosines = np.sum(u * v, axis=1)
    spread, inside = cosines.std(), np.mean(abs(cosines) < 0.2)
    print(
        f"d = {d:3}: standard deviation {spread:.2f} = 1/√d = {d**-0.5:.2f}; "
        f"between 78° and 102°: {inside:.2f}"
    )
    bins = np.linspace(-1, 1, 81)
    ax.hist(cosines, bins, density=True, histtype="step", lw=2, color=color, label=d)
ax.set(xlabel="cosine of two random vectors", ylabel="density")
ax.legend(title="dimensions")
plt.show()

# %% [markdown]
# The picture shows the three histograms. In two dimensions the cosines pile up at −1 and 1; in 300 they
# form a needle at 0. Its width, the standard deviation, is $1/\sqrt d$, as the mean of $\cos^2$ is
# exactly $1/d$: a unit vector shares its squared length among $d$ places.
#
# So in 300 dimensions nearly all pairs of directions are nearly orthogonal. There is room for many
# more than 300 nearly unrelated directions, and a cosine of 0.3 is five standard deviations from chance.
# In the 100 dimensions of our vectors it is three. (Word vectors aren't random: this is only a yardstick.)
#
# ## 10 · Pictures, and how they mislead
#
# Seven groups of seven words, a mark for each group. The picture shows their 100-dimensional vectors in
# two dimensions: on the left by PCA, which keeps the directions in which they spread most; on the right
# by **t-SNE** (van der Maaten and Hinton 2008), which tries to keep each point's *neighbours* (its
# **perplexity** says roughly how many). In PCA's picture *animals* and *body* lie on top of each other,
# and others spread out. t-SNE draws seven tight islands, or nearly.

# %%
groups = {
    "days": "monday tuesday wednesday thursday friday saturday sunday",
    "music": "violin flute piano trumpet clarinet harp guitar",
    "food": "bread cheese butter soup meat sauce rice",
    "animals": "horse dog wolf sheep goat cow pig",
    "body": "arm leg knee shoulder neck elbow foot",
    "law": "judge court jury trial lawyer verdict witness",
    "family": "mother father brother sister daughter son wife",
}
dense = WordVectors(vocabulary.words, svd.U)
members = [word for group in groups.values() for word in group.split()]
vectors = dense.unit[[dense.row(word) for word in members]]  # (49, 100)
flat = {
    "PCA": PCA(2).fit_transform(vectors),
    "t-SNE": TSNE(perplexity=6, random_state=2).fit_transform(vectors),
}

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4.4))
for ax, (name, xy) in zip(axes, flat.items(), strict=True):
    for i, group in enumerate(groups):
        own = xy[7 * i : 7 * i + 7]
        ax.plot(*own.T, "os^Dv*P"[i], color=plots.COLORS[i], label=group)
    ax.set(title=name, xticks=[], yticks=[])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
plt.show()

# %% [markdown]
# Tempting. But test a picture on points whose truth you know. First, 200 points of pure noise, one
# round cloud in 10 dimensions. Second, three clouds: two of them close together, the third ten times as
# far away and four times as wide.
#
# **Predict before you run.** What will t-SNE draw?

# %%
noise = rng.normal(size=(200, 10))
centers = np.zeros((3, 50))
centers[1, 0], centers[2, 0] = 12, 120  # apart: 12 and about 120
widths = np.repeat([1, 1, 4], 50)[:, None]
clouds = np.repeat(centers, 50, axis=0) + widths * rng.normal(size=(150, 50))

# %%
fig, axes = plt.subplots(2, 2, figsize=(9, 6))
for row, data, kinds, perplexity in [
    (axes[0], noise, np.zeros(200, dtype=int), 3),
    (axes[1], clouds, np.repeat([0, 1, 2], 50), 20),
]:
    methods = PCA(2), TSNE(perplexity=perplexity, random_state=2)
    for ax, method in zip(row, methods, strict=True):
        xy = method.fit_transform(data)
        for k, mark in enumerate("o^s"):
            ax.plot(*xy[kinds == k].T, mark, ms=4, color=plots.COLORS[k])
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal", adjustable="datalim")
axes[0, 0].set(title="PCA", ylabel="one cloud of noise")
axes[0, 1].set(title="t-SNE")
axes[1, 0].set(ylabel="three clouds")
plt.show()

# %% [markdown]
# The picture shows PCA on the left, t-SNE on the right. Above, PCA draws the noise as one cloud, and
# t-SNE (perplexity 3) breaks it into clumps and strings: **clusters where there are none**. Below, PCA
# draws two small clouds close together and the wide one (green squares) far off. t-SNE draws three
# islands of like size at like distances: **size and distance of islands mean nothing.** t-SNE only
# promises that near neighbours stay near. Look at it with several perplexities (Wattenberg, Viégas and
# Johnson 2016 do, on many shapes), and measure before you believe.
#
# ## 11 · The score so far
#
# A harder test: *man is to king as woman is to …* For the word $d$ in "a is to b as c is to d" take the
# nearest to $b - a + c$ other than $a$, $b$ and $c$. Lecture 03 has more on this.
#
# **Predict before you run.** With $U_k S_k^p$, which power $p$ is best: 0, ½ or 1?

# %% tags=["atol=0.011"]
questions = datasets.load_analogies()
print(f"{'':16} WordSim  SimLex  family  plural  capital  all analogies")
for power in (0, 0.5, 1):
    vectors = WordVectors(vocabulary.words, svd.U * svd.s**power)
    related, similar = (evaluate_similarity(vectors, p).rho for p in (wordsim, simlex))
    rates = evaluate_analogies(vectors, questions)
    sections = ("family", "gram8-plural", "capital-world", "total")
    shown = "    ".join(f"{rates[name].rate:.2f}" for name in sections)
    print(f"SVD, p = {power:3}     {related:.2f}     {similar:.2f}    {shown}")

# %% [markdown]
# People's rankings are met best with $p = 0$. The analogies of *family* and *plural* come out right in about
# half of the cases, the capitals in one of seven.
#
# Look back at section 6, too: the sparse rows, shifted, do as well on WordSim-353 and better on
# SimLex-999. Short vectors are not better at everything. They are small, quick to compare, and
# need less text for a word.
#
# And the two words that we began with?

# %% tags=["atol=0.011"]
for word in ["skillful", "potato"]:
    print(f"expert, {word:9} cosine {dense.similarity('expert', word):.2f}")

# %% [markdown]
# ## 12 · Where it breaks
#
# **Order is lost.** **Predict before you run:** read the Brown corpus backwards and count again. What
# changes?

# %%
N, starts = len(brown.ids), brown.starts
backwards = Corpus(brown.vocabulary, brown.ids[::-1], N - starts[::-1])
print("the same matrix:", abs(cooccurrence(backwards, 5) - X_brown).max() == 0)

# %% [markdown]
# Not one number. *Dog bites man* and *man bites dog* are the same to it.
#
# **All cells are equal.** The SVD tries as hard to copy the countless zeros as the counts that we trust.
# Lecture 04 (GloVe) gives each cell its own weight. **A new sentence** means to count and decompose all
# over again; lecture 03 learns as it reads. **One row a word:** the two meanings of *mouse* share one.
#
# ## What you can do now
#
# - Count co-occurrence over millions of words in seconds, and weigh it by tf-idf, PPMI, smoothing and shift.
# - Compress counts by SVD, say what is lost, and why it hardly matters.
# - Compare words by cosine, know what is large in $d$ dimensions, and distrust a t-SNE picture.
#
# **Next:** exercise 02, then lecture 03, which learns such vectors by prediction.
#
# ## References
#
# - Jurafsky, Martin, *Speech and Language Processing*, 3rd edition draft, [chapters on n-grams and on vector semantics](https://web.stanford.edu/~jurafsky/slp3/)
# - Lidstone (1920), *Note on the General Case of the Bayes–Laplace Formula for Inductive or a Posteriori Probabilities*, Transactions of the Faculty of Actuaries 8
# - Harris (1954), *Distributional Structure*, [Word 10](https://doi.org/10.1080/00437956.1954.11659520); Firth (1957), *A Synopsis of Linguistic Theory*
# - Spärck Jones (1972), *A statistical interpretation of term specificity*, [J. of Documentation 28](https://doi.org/10.1108/eb026526)
# - Church, Hanks (1990), *Word Association Norms, Mutual Information, and Lexicography*, [ACL J90-1003](https://aclanthology.org/J90-1003/)
# - Finkelstein et al. (2002), *Placing Search in Context: The Concept Revisited* (WordSim-353), [doi](https://doi.org/10.1145/503104.503110)
# - Hill, Reichart, Korhonen (2015), *SimLex-999*, [arXiv 1408.3456](https://arxiv.org/abs/1408.3456)
# - Eckart, Young (1936), *The approximation of one matrix by another of lower rank*, [Psychometrika 1](https://doi.org/10.1007/BF02288367)
# - Deerwester et al. (1990), *Indexing by Latent Semantic Analysis*, J. of the American Society for Information Science 41
# - Levy, Goldberg (2014), *Neural Word Embedding as Implicit Matrix Factorization*, NeurIPS 27 (shifted PPMI, SVD)
# - Levy, Goldberg, Dagan (2015), *Improving Distributional Similarity with Lessons Learned from Word Embeddings*, [TACL 3](https://aclanthology.org/Q15-1016/)
# - van der Maaten, Hinton (2008), *Visualizing Data using t-SNE*, [JMLR 9](https://jmlr.org/papers/v9/vandermaaten08a.html)
# - Wattenberg, Viégas, Johnson (2016), *How to Use t-SNE Effectively*, [Distill](https://doi.org/10.23915/distill.00002)
