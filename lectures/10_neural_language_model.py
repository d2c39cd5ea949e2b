# %% [markdown]
# # 10 · A neural language model: words that share what they learn
#
# **The question.** A model has read about the cat in the garden. What does it know about the dog in
# the yard? To a table of counts they are different symbols, and it knows nothing.
#
# **The answer of this lecture.** Give each word a vector, and predict from the vectors. What is
# learned about one word then holds for all words near it. Bengio et al. did this in 2003, and learned
# the vectors and the prediction together.
#
# By the end you can build that network on our own autodiff and in PyTorch, get the same numbers from
# both, train it on Wikipedia, and say where it beats the n-grams of lecture 07 and where not.
#
# *You need* lectures 07 and 08. *It takes* about 40 seconds on two CPU cores. Throughout, `np` is the
# traced NumPy of `helpers.autodiff`.

# %%
import calendar
import math
from itertools import pairwise, product

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from sklearn.manifold import TSNE, trustworthiness
from torch import nn
from torch.optim import Adagrad

from helpers import plots
from helpers.autodiff import check_grads, value_and_grad
from helpers.autodiff import numpy as np
from helpers.device import seed_everything
from helpers.language_model import (
    FeedForwardLanguageModel,
    Objective,
    feedforward_log_probabilities,
    feedforward_losses,
)
from helpers.likelihood import mix, mixture_weights, perplexity
from helpers.lm_text import closed_vocabulary, encode_lines, load_wikitext2_streams
from helpers.ngram import count_ngrams, kneser_ney, modified_kneser_ney
from helpers.train import train
from helpers.vectors import WordVectors

rng = seed_everything(10)
torch.set_num_threads(1)  # the networks are small: sharing them out costs more
plots.use_style()


def claim(what, value, low, high):
    """Print a trained number's range, not its digits: those differ by machine."""
    assert low <= value <= high, f"{what}: {value}"
    print(f"{what}: between {low:g} and {high:g}")


# %% [markdown]
# ## 1 · From one place to many attributes
#
# A **localist** code gives each word a place of its own: a vector with one 1, called **one-hot**. A
# **distributed** code spreads a word over many units, and each unit takes part in many words
# ([Hinton 1986](https://www.cs.toronto.edu/~hinton/absps/families.pdf)). Here is a cartoon: we write
# the attributes by hand, one column each, into a matrix $C$.

# %%
names = ["cat", "dog", "lorry", "garden", "yard"]
attributes = ["alive", "moves", "place", "wheels", "barks", "green", "large"]
one_hot = np.eye(5)
C = np.array(
    [[1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 1],
     [0, 0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0, 0]], dtype=float,
)  # fmt: skip

# %% [markdown]
# The picture shows both codes side by side, a row for each word. On the left each row has one dark cell, and no
# column is shared. On the right *cat* and *dog* share two columns, *garden* and *yard* one.

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 2.9))
for ax, code, units in zip(axes, (one_hot, C), (names, attributes), strict=True):
    ax.imshow(code, cmap="Blues", vmin=0, vmax=1.4)
    ax.set_xticks(range(len(units)), units, rotation=45, ha="right")
    ax.set_yticks(range(5), names)
axes[0].set_title("localist")
axes[1].set_title("distributed")
plt.show()

# %% [markdown]
# How alike are two words? Three measures of two vectors are in use:
#
# $$\text{dot } x^\top y, \qquad \text{distance } \lVert x - y \rVert, \qquad \text{cosine } \frac{x^\top y}{\lVert x \rVert\, \lVert y \rVert} \tag{1}$$
#
# **Predict before you run.** Among one-hot vectors, which word is nearest to *cat*? In the attribute code, the
# three measures agree about *dog*. Seen from *cat*, do they also agree which of *lorry* and *yard* is nearer?

# %%
for name, code in {"one-hot": one_hot, "attributes": C}.items():
    for word in ("dog", "lorry", "yard"):
        x, y = code[names.index("cat")], code[names.index(word)]
        cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        distance = np.linalg.norm(x - y)
        print(
            f"{name:10} cat, {word:5}  dot {x @ y:.0f}  distance {distance:.2f}  cosine {cosine:.2f}"
        )

# %% [markdown]
# One-hot vectors are all equally far apart: no measure can help. Attributes put the dog next to the cat (and the distance, but not the
# dot, finds the lorry no nearer than the yard). In the distributed code a rule about what is
# *alive* applies to every word that has the attribute. And $k$ yes-or-no units tell $2^k$ words apart, where a
# localist code of $k$ units has $k$ words.
#
# Dot and distance notice lengths, the cosine does not. The three are tied by
#
# $$\lVert x - y \rVert^2 = \lVert x \rVert^2 + \lVert y \rVert^2 - 2\, x^\top y \tag{2}$$
#
# so on vectors of length 1 all three rank alike. On others they may not.
#
# **Predict before you run.** Stretch *garden* to ten times its length. Which word is now nearest to *yard* by the
# dot? By distance? By cosine?

# %%
stretched = C * np.array([1, 1, 1, 10, 1])[:, None]
yard, others = stretched[4], stretched[:4]
dots, distances = others @ yard, np.linalg.norm(others - yard, axis=1)
cosines = dots / np.linalg.norm(others, axis=1)
print("nearest to yard by dot:     ", names[dots.argmax()])
print("                by distance:", names[distances.argmin()])
print("                by cosine:  ", names[cosines.argmax()])
identity = np.sum(others**2, axis=1) + yard @ yard - 2 * dots
print("(2) holds:", np.allclose(distances**2, identity))

# %% [markdown]
# Nobody can write attributes for 33,278 words. So let $C$ be parameters, and learn them.
#
# ## 2 · A lookup is a linear layer
#
# Taking row $w$ of $C$ looks like programming, not like a network. But it is a linear layer fed
# with a one-hot vector $e_w$:
#
# $$C(w) = e_w^\top C \tag{3}$$
#
# A context of three words makes three lookups *in the same $C$*: the layer's weights are **tied**. Written as one
# layer on three one-hot vectors side by side, its matrix holds $C$ three times on the diagonal.
#
# **Predict before you run.** *Cat* comes twice in the context *cat dog cat*. What does that do to the gradient of
# its row?

# %%
context = [0, 1, 0]  # cat dog cat
looked_up = C[context].reshape(-1)  # (3 * 7,)
layer = np.kron(np.eye(3), C)  # (3 * 5, 3 * 7), tied
multiplied = one_hot[context].reshape(-1) @ layer
print("lookup = linear layer:", np.array_equal(looked_up, multiplied))

# %%
upstream = torch.randn(3, 7, dtype=torch.float64)
gradients = []
for read in (
    lambda C: F.embedding(torch.tensor(context), C),
    lambda C: torch.tensor(one_hot[context]) @ C,
):
    table = torch.tensor(C, requires_grad=True)
    read(table).backward(upstream)
    gradients.append(table.grad)
print("same gradient of C:", torch.allclose(*gradients))
both = upstream[0] + upstream[2]
print("row of cat = sum of both:", torch.allclose(table.grad[0], both))
print("rows not looked up are 0:", bool((table.grad[2:] == 0).all()))

# %% [markdown]
# With $n$ words of context, $m$ numbers a word and $V$ words, the lookup copies $nm$ numbers; the products (3)
# multiply $nVm$, nearly all by zero. Both learn the same.
#
# ## 3 · The network of 2003
#
# The $n$ words before $w_t$ are looked up and joined to $x$. A hidden layer of $h$ units reads it.
# A **skip-layer** connection $W$ goes past it, straight to the scores $y$, one for each word
# ([Bengio et al. 2003](https://jmlr.org/papers/v3/bengio03a.html), eq. 1; they count $w_t$ in: their $n$ is our $n + 1$):
#
# $$x = \bigl(C(w_{t-n}), …, C(w_{t-1})\bigr), \qquad y = b + W x + U \tanh(d + H x) \tag{4}$$
#
# $$p(w \mid w_{t-n} … w_{t-1}) = \frac{e^{y_w}}{\sum_{w'} e^{y_{w'}}} \tag{5}$$
#
# On our autodiff that is two lines. Rows of `x` are contexts, so the matrices stand on the right:
# `W`, `U` and `H` are the transposes of those in (4).


# %%
def scores(p, contexts):
    """Scores (batch, V) of all words after contexts (batch, n)."""
    x = p["C"][contexts].reshape(len(contexts), -1)  # (batch, n * m)
    return p["b"] + x @ p["W"] + np.tanh(p["d"] + x @ p["H"]) @ p["U"]


def initial(V, m, h, n):
    shapes = {"C": (V, m), "W": (n * m, V), "U": (h, V), "H": (n * m, h)}
    p = {name: rng.normal(size=shape) * 0.1 for name, shape in shapes.items()}
    return p | {"b": np.zeros(V), "d": np.zeros(h)}


# %% [markdown]
# How many parameters is that? By (4), with the sizes above,
#
# $$\underbrace{Vm}_{C} + \underbrace{V}_{b} + \underbrace{V n m}_{W} + \underbrace{V h}_{U} + \underbrace{h n m}_{H} + \underbrace{h}_{d} \tag{6}$$
#
# It grows **linearly** with the context. A table of all n-grams has $V^{n+1}$ entries.
#
# **Predict before you run.** $V = 33{,}278$, $m = 64$, $h = 128$. From $n = 3$ to $n = 6$, by what factor does
# each grow?


# %%
def parameters(V, m, h, n):
    return V * m + V + V * n * m + V * h + h * n * m + h


counted = sum(a.size for a in initial(7, 4, 5, 3).values())
print("(6) counts right:", parameters(7, 4, 5, 3) == counted)
V, n = 33_278, np.arange(1, 7)
network, table = parameters(V, 64, 128, n), float(V) ** (n + 1)
print(f"network × {network[5] / network[2]:.1f}, table × {table[5] / table[2]:.0e}")

# %% [markdown]
# The picture shows the parameters over the words of context, on a logarithmic axis. The table's line is straight:
# exponential growth, from a billion to $10^{31}$. The network's grows from 9 to 19 million.

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.semilogy(n, table, "s-", label="table of n-grams")
ax.semilogy(n, network, "o-", label="network, eq. (6)")
ax.set(xlabel="words of context n", ylabel="parameters")
ax.legend()
plt.show()

# %% [markdown]
# Counts of n-grams that *occur* take less, as lecture 07 showed. But they must grow with the text; the network
# need not.
#
# ## 4 · What to minimise
#
# As in lecture 07, choose the parameters $\theta$ that make the text likeliest. The likelihood is a product; its
# logarithm, negated and averaged, is the **cross-entropy** between the text and the model:
#
# $$\arg\max_\theta \prod_t p_\theta(w_t \mid \cdot) = \arg\min_\theta L(\theta), \qquad L(\theta) = -\frac1T \sum_t \log p_\theta(w_t \mid \cdot) = \log \mathrm{PPL} \tag{7}$$
#
# With (5), $-\log p = \log \sum_{w'} e^{y_{w'}} - y_w$. `np.logsumexp` computes the first part without overflow.


# %%
def log_probabilities(p, contexts, targets):
    y = scores(p, contexts)
    return y[np.arange(len(targets)), targets] - np.logsumexp(y, axis=1)


def loss(p, contexts, targets):
    return -np.mean(log_probabilities(p, contexts, targets))


# %% [markdown]
# Is it really maximum likelihood? Take a network with all weights 0 but the biases $b$: it can't see the context. From
# lecture 07 we know the best such model.
#
# **Predict before you run.** Which numbers will the softmax of $b$ go to?

# %%
targets = np.array([0, 0, 0, 1, 1, 3])
blind = {name: 0 * a for name, a in initial(4, 2, 2, 3).items()}
contexts = np.zeros((6, 3), dtype=int)
gradient = value_and_grad(lambda b: loss(blind | {"b": b}, contexts, targets))
b = np.zeros(4)
for _ in range(3000):
    b = b - gradient(b)[1]
print("softmax(b):     ", np.round(np.exp(b - np.logsumexp(b)), 2))
print("relative counts:", np.round(np.bincount(targets) / 6, 2))

# %% [markdown]
# Relative counts, found by descent. Nothing about counting was said.
#
# ## 5 · The cat, the dog, and a text made for them
#
# Bengio and his coauthors argued by example: a sentence about a cat walking in a bedroom should help with a dog running in a room. Ours is
#
# > *The cat got squashed in the garden on Friday* helps *The dog got flattened in the yard on Monday*.
#
# To test it we write a small world: classes of words, and frames that they fit into. Three pairs never meet in
# one sentence, and all three stand in the dog's sentence.

# %%
classes = {
    "ANIMAL": "cat dog rabbit hamster fox hen",
    "PERSON": "teacher doctor lawyer nurse clerk banker",
    "HURT": "squashed flattened trampled crushed",
    "HONOURED": "promoted praised hired thanked",
    "OUTSIDE": "garden yard meadow field",
    "INSIDE": "office clinic school bank",
    "DAY": "friday monday sunday tuesday",
    "MONTH": "may june july april",
    "MOVED": "ran slept ate",
    "TALKED": "spoke wrote read",
    "WEATHER": "rained snowed froze",
    "WORKED": "rested met argued",
}
classes = {name: words.split() for name, words in classes.items()}

# %%
frames = [
    "the ANIMAL got HURT in the OUTSIDE on DAY",
    "the PERSON got HONOURED in the INSIDE in MONTH",
    "the ANIMAL MOVED", "the PERSON TALKED", "in the OUTSIDE it WEATHER",
    "in the INSIDE they WORKED", "on DAY it WEATHER", "in MONTH they WORKED",
]  # fmt: skip
never = [{"dog", "got"}, {"flattened", "yard"}, {"yard", "monday"}]
lines = []
for frame in frames:
    choices = product(*(classes.get(word, [word]) for word in frame.split()))
    allowed = [line for line in choices if not any(pair <= {*line} for pair in never)]
    lines += [allowed[i] for i in rng.integers(len(allowed), size=60)]
rng.shuffle(lines)

# %%
vocabulary = closed_vocabulary(lines)
text, V, n = encode_lines(lines, vocabulary), len(vocabulary), 3


def windows(ids, starts):
    """Contexts (N, n) and targets (N,); <eos> fills the place before a line."""
    before = [vocabulary["<eos>"]] * n
    padded = [np.r_[before, ids[a:b]] for a, b in pairwise(starts)]
    rows = np.concatenate(
        [np.lib.stride_tricks.sliding_window_view(line, n + 1) for line in padded]
    )
    return rows[:, :n], rows[:, n]


contexts, targets = windows(*text)
print(len(lines), "lines,", len(targets), "tokens,", V, "words")
print("a window:", vocabulary.decode(contexts[2]), "→", vocabulary.words[targets[2]])

# %% [markdown]
# Now the same network in PyTorch. `nn.Embedding` is the lookup, `nn.Linear` the rest. Give both the same weights.


# %%
class Bengio(nn.Module):
    def __init__(self, V, m, h, n):
        super().__init__()
        self.C = nn.Embedding(V, m)
        self.H, self.U = nn.Linear(n * m, h), nn.Linear(h, V, bias=False)
        self.W = nn.Linear(n * m, V)  # its bias is b, that of H is d

    def forward(self, contexts):
        x = self.C(contexts).flatten(1)  # (batch, n * m)
        return self.W(x) + self.U(torch.tanh(self.H(x)))

    def named(self):
        """Parameters by the names of equation (4), as our dictionary has them."""
        return {"C": self.C.weight, "W": self.W.weight.T, "U": self.U.weight.T,
                "H": self.H.weight.T, "b": self.W.bias, "d": self.H.bias}  # fmt: skip


# %%
ours, theirs = initial(V, 8, 16, n), Bengio(V, 8, 16, n).double()
with torch.no_grad():
    for name, parameter in theirs.named().items():
        parameter.copy_(torch.tensor(ours[name]))

batch = slice(0, 64)
# Finite differences are slow: check a copy whose scores are of five words only.
small = {name: a[:, :5] if name in "WU" else a for name, a in ours.items()}
small["b"] = small["b"][:5]
check_grads(lambda p: loss(p, contexts[:4], targets[:4] % 5), small, order=1)
print("our gradients agree with finite differences")

# %% [markdown]
# **Predict before you run.** Same weights, same batch. To how many digits will loss and gradients agree? And
# after twenty steps of gradient descent?

# %%
gradient = value_and_grad(loss)
inputs, outputs = torch.tensor(contexts), torch.tensor(targets, dtype=torch.long)
value, slopes = gradient(ours, contexts[batch], targets[batch])
torch_value = F.cross_entropy(theirs(inputs[batch]), outputs[batch])
torch_value.backward()
torch_slopes = {"C": theirs.C.weight.grad, "W": theirs.W.weight.grad.T,
                "U": theirs.U.weight.grad.T, "H": theirs.H.weight.grad.T,
                "b": theirs.W.bias.grad, "d": theirs.H.bias.grad}  # fmt: skip
print("same loss:", np.isclose(value, torch_value.item(), rtol=1e-12))
for name, slope in slopes.items():
    print("same gradient of", name, np.allclose(slope, torch_slopes[name], atol=1e-12))


# %%
def sgd_step(p, rows, rate):
    slopes = gradient(p, contexts[rows], targets[rows])[1]
    return {name: a - rate * slopes[name] for name, a in p.items()}


optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3)
p = ours
for step in range(20):
    rows = np.arange(64) + 64 * step
    p = sgd_step(p, rows, 0.3)
    optimizer.zero_grad()
    F.cross_entropy(theirs(inputs[rows]), outputs[rows]).backward()
    optimizer.step()
same = [np.allclose(p[k], v.detach(), atol=1e-10) for k, v in theirs.named().items()]
print("same weights after 20 steps:", all(same))

# %% [markdown]
# Two engines, one network. Train it to the end on ours, which takes a second. The rival is Kneser–Ney on the
# same lines, with the same three words of context. (A world this regular breaks the estimate of its discounts, so we give them.)

# %%
for _ in range(15):
    for rows in np.array_split(rng.permutation(len(targets)), len(targets) // 32):
        p = sgd_step(p, rows, 0.3)
counter = kneser_ney(
    count_ngrams(text.ids, n + 1, V, text.starts), discounts=[0, 0.75, 0.75, 0.75]
)

# %% [markdown]
# The first test needs one word only. The text never says *dog got*.
#
# **Predict before you run.** After *the dog got*, how much probability goes to the four ways of being hurt, and how
# much to the four honours? Think for each model.

# %%
after = encode_lines([["the", "dog", "got"]], vocabulary).ids[:-1]
y = scores(p, after[None])[0]
network_p, counter_p = np.exp(y - np.logsumexp(y)), counter.probabilities(after)
about_got = {(line[1], line[3]) for line in lines if line[2] == "got"}
for kind in ("HURT", "HONOURED"):
    members = [vocabulary[word] for word in classes[kind]]
    pairs = sum(word in classes[kind] for _, word in about_got)
    print(f"{kind:9} counts {counter_p[members].sum():.2f}, different pairs {pairs}")
hurt = network_p[[vocabulary[word] for word in classes["HURT"]]].sum()
claim("HURT, network", hurt, 0.6, 1)

# %% [markdown]
# The counts have seen *got* as often after people as after animals, and can only back off to that. Honours come out
# ahead since Kneser–Ney counts *different* pairs: 24 of person and honour occur, of animal and hurt only 20, as
# the dog was kept out. The network has read *the dog ran* and *the cat ran*. That was enough to put the dog where the cat is.
#
# Now the whole sentence.
#
# **Predict before you run.** At which three words will the n-gram stumble?

# %%
sentence = "the dog got flattened in the yard on monday"
test = encode_lines([sentence.split()], vocabulary)
by_network = log_probabilities(p, *windows(*test))
by_counts = counter.log_probabilities(*test)
gain = (by_network - by_counts) / np.log(10)
for word, more in zip(vocabulary.decode(test.ids), gain, strict=True):
    print(f"{word:10}", "far likelier by the network" if more > 0.5 else "")
claim("the network finds the sentence likelier, log10", gain.sum(), 1.2, 6)

# %% [markdown]
# At *got*, *yard* and *monday*: the second halves of the pairs that never meet. *Flattened* follows
# an unseen context too, but backing off to *got* serves it well.
#
# The picture shows the learned vectors of six classes, turned so that the two directions of largest spread lie in the
# plane, with labels at six words of the two sentences. *Dog* is near the animals and *yard* near the places outside, though both were
# kept from much of the company that others have. Days and months part only in other directions.

# %%
shown = ["ANIMAL", "PERSON", "OUTSIDE", "INSIDE", "DAY", "MONTH"]
words = [word for kind in shown for word in classes[kind]]
vectors = p["C"][[vocabulary[word] for word in words]]
vectors = vectors - vectors.mean(axis=0)
flat = vectors @ np.linalg.svd(vectors)[2][:2].T
fig, ax = plt.subplots(figsize=(8.5, 5))
for kind, marker in zip(shown, "osD^vP", strict=True):
    rows = [words.index(word) for word in classes[kind]]
    ax.scatter(*flat[rows].T, marker=marker, s=30, label=kind)
for word, shift in {"cat": (8, -4), "dog": (8, -4), "garden": (8, -4),
                    "yard": (8, -4), "friday": (-52, 4), "monday": (-62, -14)}.items():  # fmt: skip
    ax.annotate(word, flat[words.index(word)], xytext=shift, textcoords="offset points")
ax.legend(fontsize=10)
ax.set(xlabel="first direction", ylabel="second direction")
plt.show()

# %%
space = WordVectors(words, p["C"][[vocabulary[word] for word in words]])
kin = {word: kind for kind, members in classes.items() for word in members}
same = [kin[space.neighbours(word, 1)[0][0]] == kin[word] for word in words]
claim("share of words whose nearest word is of their class", np.mean(same), 0.8, 1)

# %% [markdown]
# ## 6 · Wikipedia
#
# For $V = 33{,}278$ the matrices $W$ and $U$ are most of the network. The helper's model writes them as products with one
# matrix of **output vectors** $E$, $m$ numbers a word: $W = EA$, $U = EB$, of rank at most $m$: far fewer parameters. Otherwise it is (4).

# %%
helper = FeedForwardLanguageModel(V, 8, 16, n).double()
E = helper.outputs.detach()
full = {"C": helper.inputs, "W": (E @ helper.skip.weight).T, "b": helper.bias[:, 0],
        "U": (E @ helper.last.weight).T, "H": helper.hidden.weight.T,
        "d": helper.hidden.bias}  # fmt: skip
full = {name: a.detach().numpy() for name, a in full.items()}
by_helper = helper(inputs[:5]) @ E.T + helper.bias[:, 0]
print("helper = (4):", np.allclose(by_helper.detach(), scores(full, contexts[:5])))
large = FeedForwardLanguageModel(33_278, 64, 128, 4)
size = sum(a.numel() for a in large.parameters()) / 1e6
print(f"{size:.1f} million, not {parameters(33_278, 64, 128, 4) / 1e6:.1f}")

# %% [markdown]
# The sum in (5) still runs over all $V$ words, for each of two million tokens. So while training, estimate it: draw $K$ words from a distribution
# $Q$ and divide each term by how often it is expected to be drawn
# ([Bengio & Senécal 2008](https://doi.org/10.1109/TNN.2007.912312); [Jean et al. 2015](https://arxiv.org/abs/1412.2007), eq. 8–9):
#
# $$\sum_{w'} e^{y_{w'}} \approx \sum_{k=1}^{K} \frac{e^{y_{w_k}}}{K\, Q(w_k)}, \qquad w_k \sim Q \tag{8}$$

# %%
y = rng.normal(size=5000)
Q = 1 / np.arange(1, 5001) ** 0.75
Q = Q / Q.sum()
drawn = rng.choice(5000, size=(400, 512), p=Q)
estimates = (np.exp(y[drawn]) / (512 * Q[drawn])).sum(axis=1)
ratio = estimates.mean() / np.exp(y).sum()
print("mean of 400 estimates is right within 3 %:", abs(ratio - 1) < 0.03)
print(f"standard deviation of one: {estimates.std() / np.exp(y).sum():.0%}")

# %% [markdown]
# One estimate is off by about 9 %, and its logarithm is a little too small on average: a price for speed. The helper
# keeps the target's own term exact and draws one sample for a whole batch. It is a trick for training only:
# every perplexity below uses the exact sum.
#
# One pass over the text of lecture 07, four words of context as the 5-gram has. Adagrad gives each parameter its own step size, larger for words that
# are rare. The biases begin at the logarithms of the counts, which section 4 showed to be best for a network that sees
# no context.

# %%
vocabulary, streams = load_wikitext2_streams()
V, eos = len(vocabulary), vocabulary["<eos>"]
reading = streams["train"]


def beginning(stream, tokens=15_000):
    """The first whole lines of a text, about so many tokens."""
    stop = np.searchsorted(stream.starts, tokens) + 1
    return stream.ids[: stream.starts[stop - 1]], stream.starts[:stop]


valid, test = beginning(streams["valid"]), beginning(streams["test"])

# %%
torch.manual_seed(10)
model = FeedForwardLanguageModel(V, 64, 128, 4)
frequency = (vocabulary.counts + 1) / vocabulary.counts.sum()
model.bias.data[:, 0] = torch.tensor(np.log(frequency))
objective = Objective(vocabulary.counts, 512, seed=10)
order = torch.Generator().manual_seed(10)
history = train(
    model,
    lambda epoch: feedforward_losses(
        model, reading.ids, objective, start=eos, batch_size=2048, generator=order
    ),
    lambda: -feedforward_log_probabilities(model, valid[0], start=eos).mean(),
    Adagrad(model.parameters(), lr=0.1),
    epochs=1,
    steps=math.ceil(len(reading.ids) / 2048),
    schedule=lambda done: 1.01 - done,
)

# %% [markdown]
# **Predict before you run.** Modified Kneser–Ney of order 5 against the network after one pass, on the same
# tokens. (The network's window runs on across line breaks; the 5-gram begins each line anew.) Who wins? And
# what is the mixture $p = \pi\, p_\text{net} + (1 - \pi)\, p_\text{counts}$ worth, with $\pi$ fitted on *valid*?

# %% tags=["nbval-ignore-output"]
ngrams = count_ngrams(reading.ids, 5, V, reading.starts)
counter = modified_kneser_ney(ngrams)
log_p = {}
for part, (ids, starts) in {"valid": valid, "test": test}.items():
    by_network = feedforward_log_probabilities(model, ids, start=eos)
    by_counts = counter.log_probabilities(ids, starts)
    log_p[part] = np.stack([by_network, by_counts], axis=1)
weights = mixture_weights(log_p["valid"])
network, counts = (perplexity(column) for column in log_p["test"].T)
both = perplexity(mix(log_p["test"], weights))
print(f"network {network:.0f}, modified Kneser–Ney {counts:.0f}, mixture {both:.0f}")

# %%
print(f"{len(log_p['test']):,} tokens of the test; modified Kneser–Ney: {counts:.1f}")
claim("network", network, 195, 260)
claim("the network's weight in the mixture", weights[0], 0.3, 0.6)
claim("mixture / modified Kneser–Ney", both / counts, 0.7, 0.86)

# %% [markdown]
# After one pass the network alone is a little behind. Together they are far better than either: they make different mistakes. Bengio
# et al. mixed with a trigram for the same reason. In `benchmarks/language_models.py` it trains longer.
#
# Where are they different? Sort the tokens by the longest n-gram, ending there, that training has seen.
#
# **Predict before you run.** Where does the network win: on tokens in familiar company, or in new company?

# %%
ids, starts = test
longest = np.zeros(len(ids), dtype=int)
for length, (_, found) in enumerate(ngrams.look_up(ids, starts), 1):
    longest[found >= 0] = length
lengths = range(1, 6)
means = [log_p["test"][longest == k].mean(axis=0) for k in lengths]
by_length = np.exp(-np.array(means))
for k, (network, counts) in zip(lengths, by_length, strict=True):
    ratio = network / counts
    winner = "network" if ratio < 0.8 else "counts" if ratio > 1.25 else "neither"
    share = np.mean(longest == k)
    print(f"longest seen: {k} words, {share:.0%} of the tokens, better: {winner}")
claim("network / counts, at 1", by_length[0, 0] / by_length[0, 1], 0.25, 0.5)

# %% [markdown]
# The picture shows the perplexity of both by that length. At 1, a pair of words never seen in training, the network's is less than half.
# At 2, the most tokens, they are about even. From 3 on, the counts know the phrase by heart and win, more at each length. But
# mind that the bins look at the answer: an n-gram that *did* come is where counts shine.

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.4))
for column, label, marker in zip(by_length.T, ("network", "5-gram"), "os", strict=True):
    ax.semilogy(lengths, column, marker=marker, label=label)
ax.set(xlabel="longest n-gram seen in training", ylabel="perplexity", xticks=lengths)
ax.legend()
plt.show()

# %% [markdown]
# ## 7 · The cat and the dog in real text
#
# And does it know, from two million real words, that a dog is like a cat? Count first.

# %%
for word in ["cat", "dog", "garden", "squashed", "flattened", "Friday", "June"]:
    known = word in vocabulary.index
    print(f"{word:10}", vocabulary.counts[vocabulary[word]] if known else "<unk>")

# %% [markdown]
# **Predict before you run.** Which of *dog* and *June* has sensible neighbours among the 8,000 most frequent
# words? (*Cat* is the 6,089th.)

# %% tags=["nbval-ignore-output"]
space = WordVectors(vocabulary.words, model.inputs.detach().numpy())
frequent = space.most_frequent(8000)
for word in ["dog", "June", "two", "was", "he"]:
    print(f"{word:5}", *(other for other, _ in frequent.neighbours(word, 7)))

# %%
months = list(calendar.month_name)[1:]
near = [word for word, _ in frequent.neighbours("June", 8)]
claim("months among the 8 words nearest to June", sum(w in months for w in near), 5, 8)
near = [word for word, _ in frequent.neighbours("dog", 7999)]
claim("words nearer to dog than cat is", near.index("cat"), 20, 7998)

# %% [markdown]
# The months have found each other. The dog, which occurs 57 times, has not found the cat, which occurs 32 times. And *squashed* is
# `<unk>`: to this vocabulary it is no word. So the argument of section 5 is right and needs *text*. A word's vector is
# learned from its occurrences like a row of counts, and the sharing helps the rare word only after its
# vector has moved. Bengio et al. trained on up to 14 million words, and for weeks.
#
# Where the vectors are good, sharing is there. Compare what each model predicts after *he died in June* and after *he died in July*.
# The **overlap** of two distributions is $\sum_w \min(p_w, q_w)$: 1 if equal, 0 if nothing is shared. We average it over 36 pairs of
# months. A vague model overlaps with itself everywhere, so compare with pairs of a month and a place, *he died in London*.
#
# **Predict before you run.** For which model are two months more alike? And for which does the overlap drop more
# from two months to a month and a place?


# %%
def predict(line):
    """Distributions (2, V) of the next word after a line: by network, by counts."""
    ids = encode_lines([line.split()], vocabulary).ids[:-1]
    with torch.no_grad():
        h = model(torch.tensor(ids[None, -4:]).long())
        y = F.linear(h, model.outputs, model.bias[:, 0])[0]
    return np.stack([y.softmax(0).numpy(), counter.probabilities(ids)])


places = ["London", "Paris", "France"]
predicted = {word: predict(f"he died in {word}") for word in months + places}
overlap = []
for pairs in (product(months[:6], months[6:]), product(months, places)):
    each = [np.minimum(predicted[a], predicted[b]).sum(axis=1) for a, b in pairs]
    overlap.append(np.mean(each, axis=0))
(network, counts), (network_place, counts_place) = overlap
print(f"counts: two months {counts:.2f}, month and place {counts_place:.2f}")
claim("network: two months", network, 0.7, 0.9)
claim("network: month and place", network_place, 0.1, 0.4)
drops = network - network_place, counts - counts_place
claim("network's drop - that of the counts", drops[0] - drops[1], 0.1, 0.4)

# %% [markdown]
# To the network two months are more alike, and yet it parts them more from places: it treats a month as a month. The
# n-gram has each month's own counts.
#
# ## 8 · The learned words, in two dimensions
#
# **t-SNE** ([van der Maaten & Hinton 2008](https://jmlr.org/papers/v9/vandermaaten08a.html)) puts points in the plane such that near ones
# stay near. It cares little for the far ones. Its one setting, also called perplexity, is about how many neighbours each point
# tries to keep. Six groups of words:

# %%
groups = {
    "months": " ".join(months),
    "numbers": "two three four five six seven eight nine ten twelve",
    "be, have": "was were is are became been being be had has have",
    "pronouns": "he she they it we I him her them",
    "years": " ".join(str(year) for year in range(1998, 2010)),
    "modals": "would could should might will can must cannot",
}
groups = {name: members.split() for name, members in groups.items()}
chosen = [word for members in groups.values() for word in members]
color_of = np.repeat(range(6), [len(members) for members in groups.values()])
vectors = space.unit[[space.row(word) for word in chosen]]
noise = rng.normal(size=vectors.shape)


def in_plane(points, setting):
    """Points (N, 2) of t-SNE; seeded."""
    tsne = TSNE(perplexity=setting, init="pca", random_state=0, metric="cosine")
    return tsne.fit_transform(points)


plane = in_plane(vectors, 8)
clouds = {setting: in_plane(noise, setting) for setting in (8, 2)}

# %% [markdown]
# The picture shows the words on the left: months, years, numbers and verbs keep together, each in a colour. Beside them the same method
# has drawn as many points of *pure noise*, with the same setting, 8, and with 2.
#
# **Predict before you run.** Will the noise look like noise? At which setting?

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 4.4), width_ratios=(1.4, 1, 1))
for k, (name, marker) in enumerate(zip(groups, "osD^vP", strict=True)):
    points = plane[color_of == k]
    axes[0].scatter(*points.T, color=plots.COLORS[k], marker=marker, s=24, label=name)
for point, word in list(zip(plane, chosen, strict=True))[::4]:
    axes[0].annotate(word, point, xytext=(4, 2), textcoords="offset points", size=9)
axes[0].legend(fontsize=9)
for ax, points in zip(axes[1:], clouds.values(), strict=True):
    ax.scatter(*points.T, s=24, color=plots.COLORS[0])
titles = ("words, setting 8", "noise, setting 8", "noise, setting 2")
for ax, title in zip(axes, titles, strict=True):
    ax.set(title=title, xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
plt.show()

# %% [markdown]
# At setting 2 the noise has clumps and strings, too, and they mean nothing. At 8 it has hardly any. In 64 dimensions random points are all far from one another. A
# plane has no room for that.
#
# **Predict before you run.** Of 500 random points, how far is the nearest from the first, as a share of the farthest? In 2
# dimensions, in 64, in 1,000?

# %% tags=["atol=0.02"]
for dimensions in (2, 64, 1000):
    points = rng.normal(size=(500, dimensions))
    distances = np.linalg.norm(points[0] - points[1:], axis=1)
    print(f"{dimensions:5} dimensions: {distances.min() / distances.max():.2f}")


# %%
def kept(points, setting):
    """Trustworthiness of t-SNE's picture of points."""
    plane = in_plane(points, setting)
    return trustworthiness(points, plane, n_neighbors=5, metric="cosine")


for setting in (8, 2):
    of_words, of_noise = kept(vectors, setting), kept(noise, setting)
    print("setting", setting)
    claim("  trustworthiness, noise", of_noise, 0.6, 0.9)
    claim("  words - noise", of_words - of_noise, 0.05, 0.35)

# %% [markdown]
# **Trustworthiness** is 1 if all neighbours in the plane are neighbours in the full space, and about ½ if they are drawn by lot.
# Noise has more, so compare with noise at the same setting: the words have more still. Even so, read such a picture with
# care. Groups that hang together are worth a second look *in the full space*. The size of a group,
# and how far apart groups are, mean nothing.
#
# ## What you can now do
#
# - Write Bengio's network on your own autodiff, and get PyTorch's numbers to the last digits.
# - Explain how a word helps another through a shared vector, and test it.
# - Compare and mix language models on the same tokens, and say where each is better.
#
# **Where the idea broke.** The window is still fixed: the fifth word back does not exist. Each position has its own weights in $H$, so what is learned about a word in
# one place is learned again in the next. The softmax over the vocabulary is what costs. And rare words have poor vectors: a
# table of counts remembers a phrase after one reading, and the network does not.
#
# **References.**
# [Bengio, Ducharme, Vincent & Jauvin 2003](https://jmlr.org/papers/v3/bengio03a.html), the network ·
# [Hinton 1986](https://www.cs.toronto.edu/~hinton/absps/families.pdf), distributed representations of concepts ·
# [Bengio & Senécal 2008](https://doi.org/10.1109/TNN.2007.912312) and [Jean et al. 2015](https://arxiv.org/abs/1412.2007), sampling the softmax ·
# [van der Maaten & Hinton 2008](https://jmlr.org/papers/v9/vandermaaten08a.html), t-SNE ·
# [Wattenberg, Viégas & Johnson 2016](https://distill.pub/2016/misread-tsne/), how to misread it.
#
# **Next.** Exercise 10: you derive the gradients of this network by hand. Then lecture 11 lets go of the window.
