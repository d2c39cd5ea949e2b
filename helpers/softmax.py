"""The loss of a word predictor over a large vocabulary, exactly and by sampling."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

# As by default, but said: or torch warns at the first sparse gradient.
torch.sparse.check_sparse_tensor_invariants.disable()


def softmax_loss(
    hidden: Tensor, targets: Tensor, outputs: Tensor, bias: Tensor
) -> Tensor:
    """Mean of -log softmax(h E^T + b)[target], in nats: cross-entropy per word.

    Args:
        hidden: (n, d).
        targets: (n,) int64 word ids.
        outputs: (V, d), one vector a word.
        bias: (V,).
    """
    return F.cross_entropy(F.linear(hidden, outputs, bias), targets)


def sampled_softmax_loss(
    hidden: Tensor,
    targets: Tensor,
    outputs: Tensor,
    bias: Tensor,
    noise: Tensor,
    n_samples: int,
    *,
    generator: Generator,
) -> Tensor:
    """Importance-sampled softmax (Jean et al. 2015, eqs. 8-9; Bengio & Senécal 2008).

    All targets of a batch compete with the same K words drawn from the noise
    distribution Q. A drawn word has s(w) - log(K Q(w)) for its score s(w): K Q(w) is
    the expected number of times that w is drawn: so the sum of exp over the sample is
    an unbiased estimate of that over the vocabulary without the target, whose own term
    is exact. A drawn word that equals a target is left out of that target's sum.

    Args:
        hidden: (n, d).
        targets: (n,) int64 word ids.
        outputs: (V, d). Rows are gathered by `F.embedding(..., sparse=True)`: their
            gradient is sparse, so a step costs the same for any V.
        bias: (V, 1), gathered likewise.
        noise: (V,) probabilities Q, positive for every word that can be a target.
        n_samples: K, drawn with replacement.
        generator: the source of the sample, on the device of `noise`.

    Returns:
        The mean estimated loss, a scalar, in nats.
    """
    negatives = torch.multinomial(noise, n_samples, True, generator=generator)
    words = torch.cat([targets, negatives])
    vectors = F.embedding(words, outputs, sparse=True)  # (n + K, d)
    biases = F.embedding(words, bias, sparse=True).squeeze(1)  # (n + K,)
    n = len(targets)
    true = (hidden * vectors[:n]).sum(1) + biases[:n]  # (n,)
    corrected = biases[n:] - torch.log(n_samples * noise[negatives])
    others = torch.addmm(corrected, hidden, vectors[n:].T)  # (n, K)
    others = others.masked_fill(targets[:, None] == negatives, -torch.inf)
    return (torch.logaddexp(true, others.logsumexp(1)) - true).mean()
