# %% [markdown]
# # 03 · word2vec: meaning from prediction
#
# **The question.** You have a few million words of text and nobody to label them. How can
# a machine learn what the words mean?
#
# **The answer of this lecture.** Let it predict each word's neighbours. To predict well, it
# must give words that keep the same company similar vectors.
#
# By the end you can derive word2vec's two losses (full softmax and negative sampling), check their
# gradients against automatic differentiation, train vectors on eight million words in class, judge
# them with human data, and say where they fail.
#
# *You need* NumPy, the dot product, and the idea (lecture 02) that a word is known by its
# contexts. *It takes* under a minute on two CPU cores.

# %%
import itertools
import time
from collections import Counter, defaultdict

import gensim
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import PCA

from helpers import datasets, plots, word2vec
from helpers.device import get_device, seed_everything
from helpers.evaluate import evaluate_analogies, evaluate_similarity
from helpers.text import Corpus, Vocabulary, tokenize, window_pairs
from helpers.vectors import WordVectors, cosine

rng = seed_everything(3)
plots.use_style()

# %% [markdown]
# ## 1 · Predict the neighbours
#
# Take a piece of a sentence. Call one word the **center**. The words at most `window`
# places away are its **context**. Here the center is *into* and the window is 2:
#
# > … **problems turning** *into* **banking crises** as …
#
# The window slides over the text, so every word is the center once.
#
# **Predict before you run.** Seven words, window 2. How many (center, context) pairs? It is
# not 7 × 4: words near an edge have fewer neighbours.

# %%
sentence = tokenize("problems turning into banking crises as before")
window = 2
pairs = []
for t, center in enumerate(sentence):
    for j in range(-window, window + 1):
        if j != 0 and 0 <= t + j < len(sentence):
            pairs.append((center, sentence[t + j]))

print(len(pairs), "pairs; those of 'into':")
print([pair for pair in pairs if pair[0] == "into"])

# %% [markdown]
# Two loops are fine for one sentence, and slow for a million. `helpers.text.window_pairs`
# makes the same pairs with array arithmetic. It also never pairs words of different
# documents, which is why it takes the documents' boundaries `starts`.

# %%
vocabulary = Vocabulary.from_tokens(sentence)
ids = vocabulary.encode(sentence)
positions = window_pairs(np.array([0, len(ids)]), window)  # (pairs, 2)
fast = [tuple(vocabulary.decode(ids[p])) for p in positions]
print("equal to the loops:", fast == pairs)

# %% [markdown]
# ## 2 · From likelihood to a loss
#
# Let $P$ be the set of all pairs $(c, o)$ of a center and a context word, here called $o$ for
# "outside". A model with parameters $\theta$ gives each pair a probability $p(o \mid c; \theta)$. We
# want parameters that make the pairs likely (Mikolov et al. 2013b, section 2):
#
# $$L(\theta) = \prod_{(c, o) \in P} p(o \mid c; \theta) \tag{1}$$
#
# A product of many small numbers underflows. Take the logarithm: the product becomes a sum,
# and the best $\theta$ stays the best. Change the sign and average, and you have a loss to
# minimise, the **average negative log likelihood**:
#
# $$J(\theta) = -\frac{1}{|P|} \sum_{(c, o) \in P} \log p(o \mid c; \theta) \tag{2}$$
#
# **Predict before you run.** A million pairs, each of probability 0.01. What does the
# computer say their product is?

# %%
p = np.full(1_000_000, 0.01)
print("product:", np.prod(p), "  average negative log:", round(-np.log(p).mean(), 4))

# %% [markdown]
# ## 3 · Two vectors a word
#
# Where does $p$ come from? Give each word $w$ two vectors of length $d$: $v_w$ for when it
# is the center, $u_w$ for when it is context. Their dot product is a score. **Softmax** turns
# the scores of all $V$ words into probabilities:
#
# $$p(o \mid c) = \frac{\exp(u_o \cdot v_c)}{\sum_{w=1}^{V} \exp(u_w \cdot v_c)} \tag{3}$$
#
# In code, `centers` holds all $v_w$ as rows and `contexts` all $u_w$.

# %%
V, d = len(vocabulary), 3
centers = rng.normal(size=(V, d))  # v
contexts = rng.normal(size=(V, d))  # u


def softmax(scores):
    """Probabilities from scores (V,); the maximum is taken off against overflow."""
    e = np.exp(scores - scores.max())
    return e / e.sum()


c, o = vocabulary["into"], vocabulary["banking"]
p = softmax(contexts @ centers[c])  # (V,)
print(f"p(banking | into) = {p[o]:.4f}; over all {V} words: {p.sum():.4f}")

# %% [markdown]
# Why two vectors and not one? A word is hardly ever its own neighbour. With one vector a
# word, its score with itself is $v \cdot v = \lVert v \rVert^2$, which tends to beat all others.
#
# **Predict before you run.** 1,000 words with random vectors of length 50. For how many is the
# likeliest neighbour the word itself?

# %%
v, u = rng.normal(size=(2, 1000, 50))
own = np.arange(1000)
print("one vector: ", np.sum((v @ v.T).argmax(axis=1) == own), "of 1000")
print("two vectors:", np.sum((v @ u.T).argmax(axis=1) == own), "of 1000")

# %% [markdown]
# And training cannot mend that for all. As $v \cdot w \le \lVert v \rVert \, \lVert w \rVert$, the word
# with the longest vector always scores itself highest, whatever it learns. There is a second reason
# for two vectors: the score is linear in each, which makes the gradient simple.
#
# ## 4 · The gradient by hand
#
# For a single pair the loss is $J = -\log p(o \mid c) = -u_o \cdot v_c + \log \sum_w \exp(u_w \cdot v_c)$.
# Differentiate. The first term gives $-u_o$. The second gives the average of all $u_w$,
# weighted by their probabilities:
#
# $$\frac{\partial J}{\partial v_c} = \sum_{w=1}^{V} p(w \mid c)\, u_w - u_o
# \qquad \frac{\partial J}{\partial u_w} = \bigl(p(w \mid c) - [w = o]\bigr)\, v_c \tag{4}$$
#
# Read the left one aloud: *what the model expected minus what it saw*. When the two agree,
# nothing moves. $[w = o]$ is 1 if $w$ is the word that was seen, else 0.


# %%
def softmax_gradients(center, contexts, o):
    """Loss and gradients of -log p(o | center): scalar, (d,), (V, d)."""
    p = softmax(contexts @ center)
    errors = p.copy()
    errors[o] -= 1  # p(w | c) - [w = o]
    return -np.log(p[o]), errors @ contexts, np.outer(errors, center)


loss, d_center, d_contexts = softmax_gradients(centers[c], contexts, o)

# %% [markdown]
# Never trust a gradient that you derived and did not check. PyTorch differentiates the
# loss itself. The two must agree up to rounding.

# %%
v_c = torch.tensor(centers[c], requires_grad=True)
u = torch.tensor(contexts, requires_grad=True)
torch.nn.functional.cross_entropy((u @ v_c)[None], torch.tensor([o])).backward()

for name, ours, theirs in [("v_c", d_center, v_c.grad), ("u", d_contexts, u.grad)]:
    difference = np.abs(ours - theirs.numpy()).max()
    print(
        f"∂J/∂{name:3}  shape {ours.shape!s:7} largest difference < 1e-12:",
        difference < 1e-12,
    )

# %% [markdown]
# Now learn. Go over the seven words 300 times and take a small step against the gradient of
# each pair. The step size falls to zero in a straight line, as it does in word2vec: large
# steps get there fast, small ones settle.
#
# **Predict before you run.** At the start the vectors are tiny, so all scores are near 0.
# What is the average loss of a pair? ($V$ is 7.)

# %% tags=["atol=0.011"]
centers, contexts = 0.01 * rng.normal(size=(2, V, d))
losses = []
for step_size in np.linspace(0.1, 0, 300):
    pair_losses = []
    for c, o in ids[positions]:
        loss, d_center, d_contexts = softmax_gradients(centers[c], contexts, o)
        centers[c] -= step_size * d_center
        contexts -= step_size * d_contexts
        pair_losses.append(loss)
    losses.append(np.mean(pair_losses))
print(f"first {losses[0]:.2f} (log 7 = {np.log(7):.2f}), last {losses[-1]:.2f}")

# %% [markdown]
# It starts at $\log V$: knowing nothing, seven words are equally likely. It cannot reach 0,
# because each center has several right answers. The best possible loss is the average
# entropy of a word's true neighbours.

# %%
neighbours = np.zeros((V, V))
np.add.at(neighbours, tuple(ids[positions].T), 1)  # how often c is seen with o
share = neighbours / neighbours.sum(axis=1, keepdims=True)
entropy = -np.sum(neighbours * np.log(np.where(share > 0, share, 1))) / len(positions)
print(f"the floor is {entropy:.2f}; within 0.05 of it: {losses[-1] - entropy < 0.05}")

# %% [markdown]
# ## 5 · What softmax costs
#
# Our toy has seven words. Real text has tens of thousands, and each pair must score *all* of
# them to compute the sum in (3). Load the text of this lecture, the **class mix**: Wikipedia
# articles, the Brown corpus, Webster's dictionary and WordNet's definitions. A document is an
# article's paragraph or, far more often, one short entry of a dictionary. Words seen fewer than
# five times are left out.

# %%
corpus = Corpus.from_ids(*datasets.load_class_mix(), min_count=5)
V, N = len(corpus.vocabulary), len(corpus.ids)
print(f"{N:,} words, {V:,} different ones, {len(corpus.starts) - 1:,} documents")

# %% [markdown]
# **Predict before you run.** With $d = 100$ and a window of 5, how long does one pass over this
# text take a laptop that does $10^{10}$ multiplications a second?

# %%
pairs_in_a_pass = 2 * 5 * N  # near enough
for name, scored in [("all words", V), ("1 right word and 5 wrong ones", 6)]:
    seconds = pairs_in_a_pass * scored * 100 / 1e10
    print(f"score {name}: {seconds:,.0f} seconds for the dot products alone")

# %% [markdown]
# Half a day against five seconds. So score the right word and a handful of wrong ones. That
# needs another question than "which of the $V$ words is it?".
#
# ## 6 · Negative sampling: is this pair real?
#
# Show the model a pair $(c, o)$ and ask: did it come from the text ($D = 1$), or did somebody
# put a random word in place of the context ($D = 0$)? That is logistic regression with one
# parameter vector for each word. With $\sigma(x) = 1 / (1 + e^{-x})$,
#
# $$p(D = 1 \mid c, o) = \sigma(u_o \cdot v_c), \qquad p(D = 0 \mid c, o) = 1 - \sigma(u_o \cdot v_c) = \sigma(-u_o \cdot v_c) \tag{5}$$
#
# For each real pair draw $K$ random words, the **negatives** $n_1 … n_K$. The negative log
# likelihood of these $K + 1$ answers is the loss (Mikolov et al. 2013b, eq. 4):
#
# $$J = -\log \sigma(u_o \cdot v_c) - \sum_{k=1}^{K} \log \sigma(-u_{n_k} \cdot v_c) \tag{6}$$
#
# Its gradient has the shape of (4). Each word has an error, the model's answer minus the truth:
#
# $$e_o = \sigma(u_o \cdot v_c) - 1, \quad e_{n_k} = \sigma(u_{n_k} \cdot v_c), \qquad
# \frac{\partial J}{\partial v_c} = \sum_{w} e_w u_w, \quad \frac{\partial J}{\partial u_w} = e_w v_c \tag{7}$$
#
# Here $w$ runs over the real context word and the negatives.


# %%
def sigma(x):
    return 1 / (1 + np.exp(-x))


def negative_sampling_gradients(v_c, u):
    """Loss and gradients; row 0 of u (1 + K, d) is the real context word."""
    sign = np.r_[1, -np.ones(len(u) - 1)]
    scores = u @ v_c  # (1 + K,)
    errors = sigma(scores) - (sign == 1)
    return -np.log(sigma(sign * scores)).sum(), errors @ u, np.outer(errors, v_c)


v_c, u = rng.normal(size=100), rng.normal(size=(1 + 5, 100))
loss, d_center, d_contexts = negative_sampling_gradients(v_c, u)

# %%
torch_v, torch_u = (torch.tensor(a, requires_grad=True) for a in (v_c, u))
real = torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64)
theirs = torch.nn.functional.binary_cross_entropy_with_logits(
    torch_u @ torch_v, real, reduction="sum"
)
theirs.backward()
print("loss equal:    ", np.isclose(loss, theirs.item()))
print(
    "gradients equal:",
    np.allclose(d_center, torch_v.grad),
    np.allclose(d_contexts, torch_u.grad),
)

# %% [markdown]
# Which words should be the negatives? Word2vec draws word $w$ with a probability that grows with
# the $\tfrac34$ power of its count $n_w$, a choice that its authors found by trying:
#
# $$P_{\text{noise}}(w) = \frac{n_w^{3/4}}{\sum_{w'} n_{w'}^{3/4}} \tag{8}$$
#
# **Predict before you run.** Compared with its share of the text, does the power draw *the* more
# often, or less? And *crises*?

# %%
counts = corpus.vocabulary.counts
noise = counts**0.75 / np.sum(counts**0.75)
for word in ["the", "banking", "crises"]:
    i = corpus.vocabulary[word]
    share = counts[i] / counts.sum()
    print(
        f"{word:8} {counts[i]:7,} times; drawn {noise[i] / share:.2f} × as often as its share"
    )

# %% [markdown]
# The power takes from the frequent and gives to the rare: a rare word serves more often as a
# wrong context than its count alone would have it.
#
# Frequent words get one more treatment. *The* stands beside everything and so says little about
# anything. **Subsampling** drops some occurrences at random. If a word makes up the share $f_w$ of
# the text, each of its occurrences is kept with probability
#
# $$p_{\text{keep}}(w) = \min\Bigl(1, \sqrt{t / f_w} + t / f_w\Bigr), \quad t = 10^{-3} \tag{9}$$
#
# which is what the word2vec program computes (the paper's formula lacks the second term). Words
# vanish *before* the windows are cut, so what is left moves closer together.

# %%
share = counts / counts.sum()
keep = np.minimum(1, np.sqrt(1e-3 / share) + 1e-3 / share)
for word in ["the", "which", "crises"]:
    print(f"{word:8} kept with probability {keep[corpus.vocabulary[word]]:.3f}")
print(f"share of the whole text that is kept: {np.sum(keep * share):.2f}")

# %% [markdown]
# One more trick is called the **dynamic window**: for each center the window's size is drawn
# from 1 … 5. A word at distance 1 always counts, one at distance 5 in one case of five. Near
# words tell more, so they count more.
#
# ## 7 · CBOW: the other way round
#
# **Skip-gram**, which you have seen so far, predicts the context from the center. **CBOW**
# (continuous bag of words) predicts the center from its context. It takes the *mean* of the
# context's vectors, so the order of the words is lost, hence "bag":
#
# $$h = \frac{1}{|C|} \sum_{w \in C} v_w, \qquad J = -\log \sigma(u_c \cdot h) - \sum_{k=1}^{K} \log \sigma(-u_{n_k} \cdot h) \tag{10}$$
#
# The loss is (6) with $h$ for $v_c$. The gradient that reaches $h$ is shared out: by the chain
# rule each context word gets $1/|C|$ of it.
#
# A window of six context words costs skip-gram six predictions and CBOW one, which makes CBOW
# faster. (`train_word2vec(corpus, model="cbow", ...)` trains it, and exercise 03 has you build it.)
#
# **Predict before you run.** How long is the gradient of one context vector, compared with the
# gradient of $h$?

# %%
context = rng.normal(size=(6, 100))  # six words around one center
h = context.mean(axis=0)
_, d_h, _ = negative_sampling_gradients(h, u)
d_context = np.tile(d_h / len(context), (6, 1))  # the same for each word of the bag

torch_context = torch.tensor(context, requires_grad=True)
scores = torch.tensor(u) @ torch_context.mean(dim=0)
torch.nn.functional.binary_cross_entropy_with_logits(
    scores, real, reduction="sum"
).backward()
print("equal to autograd:", np.allclose(d_context, torch_context.grad))
print(f"length: {np.linalg.norm(d_context[0]) / np.linalg.norm(d_h):.4f} of that of h")

# %% [markdown]
# ## 8 · The same sums as matrix products
#
# One center at a time is easy to read and slow to run: a processor is fast when it multiplies
# matrices. Two observations make the sums into matrices (Ji et al. 2016). Centers that follow one
# another share most of their context words. And nothing forbids them to share the negatives too.
#
# Cut the text into chunks of $B$ words. Stack in $C$ the vectors $v$ of the chunk's $B$ centers, and
# in $X$ the vectors $u$ of all words in reach, followed by those of $S$ shared negatives. Score every
# center with every row of $X$ at once, $s = C X^\top$. A matrix $M$ says how much each score counts:
#
# - 1 for a word inside the center's window, 0 for one outside;
# - for a negative: (6) draws $K$ for each pair, and the $S$ shared ones stand for them, so each
#   weighs $K / S$ times the center's number of pairs.
#
# With $Y = 1$ for context words and 0 for negatives, the loss of the chunk and its gradients are
#
# $$J = -\sum_{t, i} M_{ti} \bigl[ Y_i \log \sigma(s_{ti}) + (1 - Y_i) \log \sigma(-s_{ti}) \bigr],
# \qquad E = M \odot \bigl(\sigma(s) - Y\bigr),
# \qquad \frac{\partial J}{\partial C} = E X, \quad \frac{\partial J}{\partial X} = E^\top C \tag{11}$$

# %%
B, window, S, K, d = 6, 2, 4, 5, 100
reach = window + B + window  # words in reach of the chunk
C = rng.normal(size=(B, d))
X = rng.normal(size=(reach + S, d))
distance = np.abs(np.arange(reach) - window - np.arange(B)[:, None])  # (B, reach)
inside = (distance <= window) & (distance > 0)
M = np.hstack([inside, inside.sum(1, keepdims=True) * np.full(S, K / S)])
Y = np.r_[np.ones(reach), np.zeros(S)]

E = M * (sigma(C @ X.T) - Y)  # (B, reach + S)
d_C, d_X = E @ X, E.T @ C

# %% [markdown]
# Now the slow way, with equation (7) in loops over centers, places in the window and negatives.

# %%
slow_C, slow_X = np.zeros_like(C), np.zeros_like(X)


def add_pair(t, i, truth, weight):
    e = weight * (sigma(X[i] @ C[t]) - truth)
    slow_C[t] += e * X[i]
    slow_X[i] += e * C[t]


for t in range(B):
    for j in [-2, -1, 1, 2]:
        add_pair(t, window + t + j, truth=1, weight=1)
        for k in range(S):
            add_pair(t, reach + k, truth=0, weight=K / S)
print("equal to the loops:", np.allclose(d_C, slow_C), np.allclose(d_X, slow_X))

# %% [markdown]
# `helpers.word2vec` does (11) in PyTorch, for 16 chunks at once. Hand it this one chunk.

# %%
batch = word2vec.Batch(
    inputs=None,
    outputs=None,
    mean=None,
    weights=torch.tensor(M)[None],
    n_positive=reach,
)
helper_C, helper_X = word2vec.negative_sampling_gradients(
    batch, torch.tensor(C)[None], torch.tensor(X)[None]
)
print("equal to the helper:", np.allclose(d_C, helper_C), np.allclose(d_X, helper_X))

# %% [markdown]
# ## 9 · Train
#
# Time to learn from eight million words. `train_word2vec` is skip-gram with $d = 100$, window 5 and
# $K = 5$ unless you say otherwise. Its step size falls in a straight line from 0.05 to 0. Two passes
# take some ten seconds on two free cores. A callback copies the vectors $v$ of twelve words now and
# then, so that you can watch them move. Afterwards, as is usual, keep $v$ and drop $u$.

# %%
groups = {
    "music": ["guitar", "violin", "trumpet", "piano"],
    "body": ["liver", "kidney", "stomach", "lungs"],
    "law": ["judge", "jury", "lawsuit", "lawyer"],
}
watched = [corpus.vocabulary[word] for words in groups.values() for word in words]
frames = []


def watch(done, model):
    frames.append((done, model.inputs[watched]))


model = word2vec.train_word2vec(
    corpus,
    seed=3,
    epochs=2,
    learning_rate=0.05,
    device=get_device(),
    callback=watch,
    snapshots=20,
)
ours = model.vectors

# %% [markdown]
# The vectors have 100 numbers each; paper has two dimensions. **PCA** (principal component
# analysis) finds the plane in which the twelve final vectors spread most. The picture shows the
# words in that plane at four moments of the training, each with the path it took. All start at one
# point. By the end there are three groups, one for each subject.

# %%
plane = PCA(2).fit(frames[-1][1])
paths = np.stack(
    [plane.transform(vectors) for _, vectors in frames]
)  # (frame, word, 2)
fig, axes = plt.subplots(2, 2, figsize=(8, 6), sharex=True, sharey=True)
for ax, frame in zip(axes.flat, [0, 2, 5, 20], strict=True):
    for i, name in enumerate(groups):
        path = paths[: frame + 1, 4 * i : 4 * i + 4]
        ax.plot(*path.transpose(2, 0, 1), color=plots.COLORS[i], lw=0.8, alpha=0.6)
        ax.plot(*path[-1].T, "o^s"[i], color=plots.COLORS[i], label=name)
    ax.set(title=f"{frames[frame][0]:.0%} of the training")
axes[0, 0].legend(loc="upper left")
fig.supxlabel("first component")
fig.supylabel("second component")
plt.show()

# %% [markdown]
# Are the vectors any good? People scored 353 pairs of words by how related they are
# (WordSim-353) and 999 pairs by how *similar* (SimLex-999: *coffee* and *cup* are related, not
# similar). Rank the pairs by the cosine of their vectors, and compare with the people's ranking:
# **Spearman's ρ** is 1 for the same ranking, 0 for no relation.
#
# For comparison take **GloVe** vectors (lecture 04), trained by others on six *billion* words.
#
# Two threads train at once and do not wait for each other, so the second decimal of our ρ differs
# from run to run. The cell fails if it falls below a stated bound.

# %% tags=["atol=0.03"]
glove = WordVectors(*datasets.load_glove())
wordsim, simlex = datasets.load_wordsim353(), datasets.load_simlex999()
for name, vectors in [("ours", ours), ("GloVe", glove)]:
    related = evaluate_similarity(vectors, wordsim)
    similar = evaluate_similarity(vectors, simlex)
    print(f"{name:6} WordSim-353 ρ {related.rho:.2f}   SimLex-999 ρ {similar.rho:.2f}")

assert evaluate_similarity(ours, wordsim).rho >= 0.60, "wanted: at least 0.60"
assert evaluate_similarity(ours, simlex).rho >= 0.30, "wanted: at least 0.30"

# %% [markdown]
# Ours win here, with 100 numbers a word against GloVe's 50. The dictionaries may help as well: an
# entry puts a word next to the words that explain it. To know, train without them.
#
# **Predict before you run.** Which words are nearest to *tuesday*, *france*, *guitar* and
# *happy*? (One of them has a surprise: Wikipedia writes much about a video game.)

# %% tags=["nbval-ignore-output"]
for word in ["tuesday", "france", "guitar", "happy"]:
    print(f"{word:8}", *[near for near, _ in ours.neighbours(word, 8)])

# %%
weekdays = {"monday", "wednesday", "thursday", "friday", "saturday", "sunday"}
near_tuesday = {word for word, _ in ours.neighbours("tuesday", 12)}
print("five weekdays or more near 'tuesday':", len(weekdays & near_tuesday) >= 5)

# %% [markdown]
# ## 10 · The professional's tool
#
# `gensim` is the library that people use for word2vec. Give both the same text, the first 60,000
# documents, and the same settings: two passes, 100 numbers a word, window 5, five negatives.

# %%
bounds = itertools.pairwise(corpus.starts[:60_001])
documents = [corpus.vocabulary.decode(corpus.ids[a:b]) for a, b in bounds]

start = time.perf_counter()
theirs = gensim.models.Word2Vec(
    documents, sg=1, vector_size=100, window=5, negative=5, sample=1e-3,
    min_count=5, epochs=2, workers=2, seed=3,
)  # fmt: skip
middle = time.perf_counter()
small = Corpus.from_documents(documents, min_count=5)
mine = word2vec.train_word2vec(small, epochs=2, seed=3, device=get_device()).vectors
end = time.perf_counter()

# %% tags=["atol=0.08"]
libraries = {
    "gensim": WordVectors(theirs.wv.index_to_key, theirs.wv.vectors),
    "ours": mine,
}
for name, vectors in libraries.items():
    rho = evaluate_similarity(vectors, wordsim).rho
    print(f"{name:7} {len(vectors):,} words, WordSim-353 ρ = {rho:.2f}")

# %% [markdown]
# Two passes over a quarter of the text teach little to either, and about the same to both. The
# picture shows the seconds that each took on the machine that built this page: the matrix products
# of section 8 win. `benchmarks/word2vec.py` runs the two in turn on the whole text.

# %%
fig, ax = plt.subplots(figsize=(6, 1.6))
ax.barh(["ours", "gensim"], [end - middle, middle - start], color=plots.COLORS[:2])
ax.set(xlabel="seconds for two passes over 60,000 documents")
plt.show()

# %% [markdown]
# ## 11 · What the window decides
#
# **Predict before you run.** Train once with window 2 and once with window 10. One puts *court*
# beside *judge*, *jury*, *judicial*. The other puts it beside *parliament*, *officer*, *treasury*.
# Which is which?

# %%
by_window = {
    w: word2vec.train_word2vec(
        corpus, window=w, epochs=1, seed=3, device=get_device()
    ).vectors
    for w in (2, 10)
}

# %% tags=["nbval-ignore-output"]
for word, w in itertools.product(["court", "school"], [2, 10]):
    print(
        f"{word}, window {w:2}:",
        *[near for near, _ in by_window[w].neighbours(word, 7)],
    )

# %% [markdown]
# A near word is held in place by grammar: what stands two places from a noun depends on its being
# a noun. A far word only shares the subject. So a small window learns **syntax**, words that can
# replace each other, and a large one **topic**, words that turn up together (Levy & Goldberg 2014a).
#
# That is a claim, so measure it. Take about 1,000 common words and the ten nearest of each. How many
# of these neighbours are the same part of speech (as tagged in the Brown corpus)? And how many times
# more often than by chance do a word and its neighbour stand in the same document?

# %%
speech = defaultdict(Counter)
for sentence in datasets.load_brown(tagged=True):
    for word, tag in sentence:
        speech[word.lower()][tag[0]] += 1  # N noun, V verb, J adjective, R adverb …
speech = {word: tags.most_common(1)[0][0] for word, tags in speech.items()}

document = np.repeat(np.arange(len(corpus.starts) - 1), np.diff(corpus.starts))
holds = (
    sparse.coo_array((np.ones(N), (document, corpus.ids))).tocsc() > 0
)  # (documents, V)
n_documents = holds.sum(axis=0)  # (V,)


# %% tags=["nbval-ignore-output"]
def syntax_and_topic(vectors):
    """Share of neighbours of the same part of speech; median lift of sharing a document."""
    vectors = vectors.most_frequent(10_000)
    rows = [i for i in range(500, 1500) if vectors.words[i] in speech]
    scores = vectors.unit[rows] @ vectors.unit.T
    scores[np.arange(len(rows)), rows] = -np.inf
    a, b = np.repeat(rows, 10), np.argsort(-scores, axis=1)[:, :10].ravel()
    words = vectors.words
    near = [(words[i], words[j]) for i, j in zip(a, b, strict=True)]
    same = [speech[one] == speech[other] for one, other in near if other in speech]
    together = holds[:, a].multiply(holds[:, b]).sum(axis=0)
    lift = together * holds.shape[0] / (n_documents[a] * n_documents[b])
    return np.mean(same), np.median(lift)


syntax, topic = zip(*(syntax_and_topic(by_window[w]) for w in (2, 10)), strict=True)
for w, share, times in zip((2, 10), syntax, topic, strict=True):
    print(
        f"window {w:2}: same part of speech {share:.2f}, same document {times:.0f} × chance"
    )
assert syntax[0] > syntax[1] + 0.08
assert topic[1] > 1.25 * topic[0]

# %% [markdown]
# The picture shows both measures for both windows. The small window wins the left one, the large
# window the right one.

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 2.4))
names = ["window 2", "window 10"]
axes[0].barh(names, syntax, color=plots.COLORS[:2])
axes[0].set(xlabel="same part of speech (share)")
axes[1].barh(names, topic, color=plots.COLORS[:2])
axes[1].set(xlabel="same document (times chance)")
plt.show()

# %% [markdown]
# ## 12 · Adding meanings
#
# **Predict before you run.** Which words lie nearest to the sum of *young* and *cat*? *military* and *ship*?
# *church* and *music*?

# %% tags=["nbval-ignore-output"]
sums = {
    ("young", "cat"): "kitten",
    ("military", "ship"): "naval",
    ("church", "music"): "choir",
}
nearest = {}
for a, b in sums:
    total = ours.unit[ours.row(a)] + ours.unit[ours.row(b)]
    nearest[a, b] = [word for word, _ in ours.neighbours(total, 10, exclude=(a, b))]
    print(f"{a} + {b}:", *nearest[a, b][:6])

# %%
found = sum(word in nearest[pair] for pair, word in sums.items())
print("two or more of 'kitten', 'naval', 'choir' are there:", found >= 2)

# %% [markdown]
# Why does a sum work? For a pair that occurs often, the loss (6) is least where (Levy & Goldberg 2014b)
#
# $$u_o \cdot v_c = \log \frac{p(o \mid c)}{K \, P_{\text{noise}}(o)} \tag{12}$$
#
# So adding $v_{young}$ and $v_{cat}$ adds such logarithms, which multiplies the ratios: the sum scores
# high with contexts of *young* **and** of *cat*. Words with such contexts have vectors near it.
#
# Differences work too. From *man* to *king* is a step, "more royal". Take the same step from *woman*:
# look for the word nearest to $v_{king} - v_{man} + v_{woman}$, leaving out the three words of the
# question. A well-known benchmark has 19,544 such questions. Each vocabulary is asked those whose four
# words it knows.

# %% tags=["nbval-ignore-output"]
questions = datasets.load_analogies()
scores = {}
for name, vectors in [("ours", ours), ("GloVe", glove)]:
    scores[name] = evaluate_analogies(vectors.most_frequent(30_000), questions)
    for section in ("family", "gram8-plural", "capital-world", "total"):
        rate, asked = scores[name][section].rate, scores[name][section].asked
        print(f"{name:6}{section:14}{rate:5.2f} of {asked:6,}")
common = [scores["ours"][section].rate for section in ("family", "gram8-plural")]
assert min(common) > 3 * scores["ours"]["capital-world"].rate
assert scores["GloVe"]["total"].rate > 2 * scores["ours"]["total"].rate

# %% [markdown]
# Family relations and plurals are all over our text. Capitals are rare (*beijing* turns up 17 times),
# and facts are learned from text that states them. So for the famous examples use GloVe.

# %%
for a, b, c in [
    ("man", "king", "woman"),
    ("france", "paris", "italy"),
    ("good", "better", "bad"),
]:
    print(f"{b} − {a} + {c} = {glove.analogy(a, b, c)[0][0]}")
king, man, woman = (glove.unit[glove.row(word)] for word in ("king", "man", "woman"))
nearest_two = [word for word, _ in glove.neighbours(king - man + woman, 2)]
print("without leaving out the question's words:", *nearest_two)

# %% [markdown]
# The last line is honest and often left out of the story: the word nearest to *king − man + woman*
# is *king* itself, and *queen* comes second.
#
# The picture shows ten countries (blue) and their capitals (orange) in the plane of their first two
# principal components. The lines from country to capital seem to be nearly parallel. That is partly
# the plane's doing: it was chosen for what the twenty words have in common. In all 50 dimensions
# the steps agree less, as the printed cosines say.

# %% tags=["atol=0.011"]
capitals = dict(
    france="paris", italy="rome", germany="berlin", spain="madrid", russia="moscow",
    japan="tokyo", china="beijing", greece="athens", poland="warsaw", turkey="ankara",
)  # fmt: skip
words = [*capitals, *capitals.values()]
xy = PCA(2).fit_transform(np.stack([glove[word] for word in words]))
fig, ax = plt.subplots(figsize=(8, 5))
ax.plot(*xy.reshape(2, 10, 2).transpose(2, 0, 1), color="0.75", lw=1)
plots.label_points(ax, xy[:10], words[:10], plots.COLORS[0])
plots.label_points(ax, xy[10:], words[10:], plots.COLORS[1])
ax.set(xlabel="first principal component", ylabel="second principal component")
plt.show()

vectors = np.stack([glove[word] for word in words])
for name, points in [("in the plane", xy), ("in 50 dimensions", vectors)]:
    steps = points[10:] - points[:10]
    mean_cosine = np.mean([cosine(a, b) for a, b in itertools.combinations(steps, 2)])
    print(f"mean cosine between two steps {name}: {mean_cosine:.2f}")

# %% [markdown]
# ## 13 · Where it fails
#
# **Opposites look alike.** *Hot* and *cold* keep the same company. **Predict:** is *hot* nearer to
# *warm* or to *cold*?

# %% tags=["atol=0.011"]
opposites = [
    ("hot", "warm", "cold"),
    ("large", "big", "small"),
    ("love", "adore", "hate"),
]
for word, friend, opposite in opposites:
    near, far = glove.similarity(word, opposite), glove.similarity(word, friend)
    print(f"{word:6}{opposite:6}{near:.2f}   {friend:6}{far:.2f}")

# %% [markdown]
# **What people wrote is what it learns.** Compare occupations in GloVe with the direction from *he* to
# *she* (after Bolukbasi et al. 2016). A positive cosine means nearer to *she*. A machine that ranks
# applicants by such vectors would carry this on.

# %% tags=["atol=0.011"]
direction = glove.unit[glove.row("she")] - glove.unit[glove.row("he")]
for job in ["nurse", "dancer", "teacher", "engineer", "captain"]:
    print(f"{job:9}{cosine(glove[job], direction):+.2f}")

# %% [markdown]
# **One vector a word.** A *mouse* may be an animal or a device. One vector must serve both, so it
# lies near words that have nothing to do with each other.

# %% tags=["atol=0.011"]
for a, b in [("mouse", "rat"), ("mouse", "keyboard"), ("rat", "keyboard")]:
    print(f"{a} and {b}: cosine {glove.similarity(a, b):.2f}")

# %% [markdown]
# And a word that the text holds fewer than five times has no vector at all. Lecture 05 builds vectors from parts of
# words.
#
# ## What you can do now
#
# - Derive skip-gram, CBOW and negative sampling from a likelihood, and check each gradient.
# - Turn loops over pairs into matrix products, and train vectors on millions of words in class.
# - Judge vectors by similarity and analogy, choose a window for a purpose, and name what they miss.
#
# **Next:** exercise 03, then lecture 04, where GloVe reaches similar vectors from counts.
#
# ## References
#
# - Mikolov, Chen, Corrado, Dean (2013a), *Efficient Estimation of Word Representations in Vector Space*, [arXiv 1301.3781](https://arxiv.org/abs/1301.3781)
# - Mikolov, Sutskever, Chen, Corrado, Dean (2013b), *Distributed Representations of Words and Phrases and their Compositionality*, [arXiv 1310.4546](https://arxiv.org/abs/1310.4546)
# - Ji, Satish, Li, Dubey (2016), *Parallelizing Word2Vec in Shared and Distributed Memory*, [arXiv 1604.04661](https://arxiv.org/abs/1604.04661)
# - Levy, Goldberg (2014a), *Dependency-Based Word Embeddings*, [ACL P14-2050](https://aclanthology.org/P14-2050/) (small and large windows)
# - Levy, Goldberg (2014b), *Neural Word Embedding as Implicit Matrix Factorization*, NeurIPS 27
# - Bolukbasi et al. (2016), *Man is to Computer Programmer as Woman is to Homemaker?*, [arXiv 1607.06520](https://arxiv.org/abs/1607.06520)
