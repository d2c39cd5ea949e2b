# %% [markdown]
# # 03 · word2vec: meaning from prediction
#
# **The question.** You have a few million words of text and nobody to label them. How can
# a machine learn what the words mean?
#
# **The answer of this lecture.** Let it predict each word's neighbours. To predict well, it
# must give words that keep the same company similar vectors.
#
# By the end you can derive word2vec's two objectives, check their gradients against
# automatic differentiation, train vectors on eight million words in class, judge them with
# human data, and say where they fail.
#
# *You need* NumPy, the dot product, and lecture 02's idea that a word is known by its
# contexts. *It takes* about a minute on two CPU cores.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from helpers import datasets, plots
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
# > … problems **turning** *into* **banking** crises as …
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
# A model with parameters $\theta$ gives each context word a probability. We want parameters
# that make the text likely (Mikolov et al. 2013a). For a text $w_1 … w_T$ and window $m$:
#
# $$L(\theta) = \prod_{t=1}^{T} \; \prod_{-m \le j \le m,\; j \ne 0} p(w_{t+j} \mid w_t; \theta) \tag{1}$$
#
# A product of many small numbers underflows. Take the logarithm: the product becomes a sum,
# and the best $\theta$ stays the best. Change the sign and average, and you have a loss to
# minimise, the **average negative log likelihood**:
#
# $$J(\theta) = -\frac{1}{T} \sum_{t=1}^{T} \; \sum_{-m \le j \le m,\; j \ne 0} \log p(w_{t+j} \mid w_t; \theta) \tag{2}$$
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
# **Predict before you run.** 1,000 words with random vectors of length 50. How many think
# that the likeliest neighbour of a word is the word itself?

# %%
v, u = rng.normal(size=(2, 1000, 50))
own = np.arange(1000)
print("one vector: ", np.sum((v @ v.T).argmax(axis=1) == own), "of 1000")
print("two vectors:", np.sum((v @ u.T).argmax(axis=1) == own), "of 1000")

# %% [markdown]
# With one vector the model starts out wrong about every word, and cannot mend it without
# shrinking the vectors. There is a second reason: with two, the score is linear in each,
# which makes the gradient simple. See for yourself.
#
# ## 4 · The gradient by hand
#
# For one pair the loss is $J = -\log p(o \mid c) = -u_o \cdot v_c + \log \sum_w \exp(u_w \cdot v_c)$.
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

# %%
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
print(f"first {losses[0]:.2f} (log 7 = {np.log(7):.2f}), last {losses[-1]:.1f}")

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
# articles, the Brown corpus, Webster's dictionary and WordNet's definitions. Words seen fewer
# than five times are left out.

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
# The power takes from the frequent and gives to the rare, so rare words meet more wrong contexts.
#
# Frequent words get one more treatment. *The* stands beside everything and so says little about
# anything. **Subsampling** leaves out each occurrence of a word with share $f_w$ of the text at
# random and keeps it with probability
#
# $$p_{\text{keep}}(w) = \min\Bigl(1, \sqrt{t / f_w} + t / f_w\Bigr), \quad t = 10^{-3} \tag{9}$$
#
# which is what the word2vec program computes (the paper's formula lacks the second term). As
# words vanish *before* the window is cut, the window reaches further over what is left.

# %%
share = counts / counts.sum()
keep = np.minimum(1, np.sqrt(1e-3 / share) + 1e-3 / share)
for word in ["the", "which", "crises"]:
    print(f"{word:8} kept with probability {keep[corpus.vocabulary[word]]:.3f}")
print(f"of the whole text: {np.sum(keep * share):.2f}")

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
# **Predict before you run.** One context of six words. How many times do skip-gram and CBOW
# update the vectors?

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
print("predictions from this window: skip-gram 6, CBOW 1")
