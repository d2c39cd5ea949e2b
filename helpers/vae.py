"""Variational autoencoders (Kingma and Welling 2014, arXiv 1312.6114).

A latent z of a few standard normal numbers is drawn, and a decoder turns it into the
distribution of an image x. An encoder guesses, for each x, which z it came from:

    p(z) = N(0, I)    p(x|z) = Bernoulli or Gaussian    q(z|x) = N(mean, diag(variance))

    log p(x) >= ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z))

With classes, every distribution but p(z) is also given the class of x (Sohn, Lee and
Yan 2015). All likelihoods are in nats, and a Gaussian's is a density: it depends on
the scale of the pixels, and is bounded only if no pixel is constant (`dequantise`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

Schedule = Callable[[float], float]
"""From the share of training that is done, in [0, 1), to the weight of the KL term."""


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) for each number, in nats.

    The terms of equation 10 of Kingma and Welling (2014), which sums over dimensions.
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def gaussian_log_density(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(x; mean, exp(log_variance)) for each number, in nats; shapes broadcast."""
    squares = (x - mean) ** 2 * (-log_variance).exp()
    return -0.5 * (math.log(2 * math.pi) + log_variance + squares)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + sigma * noise, so that gradients reach mean and sigma; broadcasts."""
    return mean + (0.5 * log_variance).exp() * noise


class Bernoulli(nn.Module):
    """Black or white pixels: the decoder gives each one's logit."""

    outputs_per_pixel = 1

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z): x (..., pixels) in [0, 1] and logits, broadcast; sums pixels."""
        if x.min() < 0 or x.max() > 1:
            raise ValueError(
                f"pixels from {x.min():g} to {x.max():g}: a Bernoulli likelihood needs "
                "them scaled to [0, 1]"
            )
        x, outputs = torch.broadcast_tensors(x, outputs)
        return -binary_cross_entropy_with_logits(outputs, x, reduction="none").sum(-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """E[x|z], (..., pixels)."""
        return outputs.sigmoid()


class Gaussian(nn.Module):
    """Grey pixels: the decoder gives each one's mean and log variance."""

    outputs_per_pixel = 2

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z): x (..., pixels), outputs (..., 2 * pixels); sums pixels."""
        return gaussian_log_density(x, *outputs.chunk(2, -1)).sum(-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """E[x|z], (..., pixels)."""
        return outputs.chunk(2, -1)[0]


class IsotropicGaussian(nn.Module):
    """Grey pixels: the decoder gives means; all pixels share one learned variance.

    With linear encoder and decoder, this is probabilistic PCA (Tipping and Bishop
    1999): see Lucas et al. (2019), arXiv 1911.02469.
    """

    outputs_per_pixel = 1

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(()))

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z): x and means (..., pixels), broadcast; sums pixels."""
        return gaussian_log_density(x, outputs, self.log_variance).sum(-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """E[x|z], (..., pixels)."""
        return outputs


@dataclass(frozen=True)
class Elbo:
    """The two terms of the bound, in nats, kept apart.

    Attributes:
        reconstruction: (batch,), log p(x|z) at one z drawn from q(z|x).
        kl: (batch, latent), KL(q(z|x) || p(z)) of each latent dimension.

    `average()` gives the same without the batch axis.
    """

    reconstruction: Tensor
    kl: Tensor

    @property
    def rate(self) -> Tensor:
        """The KL of all dimensions together."""
        return self.kl.sum(-1)

    @property
    def value(self) -> Tensor:
        """The bound on log p(x)."""
        return self.reconstruction - self.rate

    def average(self) -> "Elbo":
        """The mean over the batch: reconstruction (), kl (latent,)."""
        return Elbo(self.reconstruction.mean(0), self.kl.mean(0))

    def loss(self, beta: float = 1.0, free_bits: float = 0.0) -> Tensor:
        """What training minimises, a scalar.

        Args:
            beta: weight of the KL term (Higgins et al. 2017, equation 4).
            free_bits: nats that each dimension may spend, on average over the batch,
                before it costs anything (Kingma et al. 2016, arXiv 1606.04934,
                equation 15).
        """
        mean = self.average()
        return beta * mean.kl.clamp(min=free_bits).sum() - mean.reconstruction


def mlp(*sizes: int) -> nn.Sequential:
    """A linear map from each size to the next, with SiLU in between."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """An encoder q(z|x) and a decoder p(x|z), each a multilayer perceptron.

    Args:
        n_pixels: numbers in an image.
        n_latent: numbers in z.
        hidden: widths of the encoder's hidden layers; the decoder has them reversed.
        likelihood: `Bernoulli`, `Gaussian` or `IsotropicGaussian`.
        n_classes: for a conditional VAE, how many classes there are; else 0.
        seed: fixes the initial weights.
    """

    def __init__(
        self,
        n_pixels: int,
        n_latent: int,
        *,
        hidden: tuple[int, ...] = (128, 128),
        likelihood: type[nn.Module] = Gaussian,
        n_classes: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_pixels, self.n_latent, self.n_classes = n_pixels, n_latent, n_classes
        self.likelihood = likelihood()
        n_outputs = self.likelihood.outputs_per_pixel * n_pixels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = mlp(n_pixels + n_classes, *hidden, 2 * n_latent)
            self.decoder = mlp(n_latent + n_classes, *hidden[::-1], n_outputs)

    def encode(self, x: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """q(z|x): x (batch, pixels) → mean and log variance, (batch, latent) each."""
        if x.ndim != 2 or x.shape[1] != self.n_pixels:
            raise ValueError(
                f"images of shape {tuple(x.shape)}: flatten them to "
                f"(batch, {self.n_pixels})"
            )
        mean, log_variance = self.encoder(self._given(x, classes)).chunk(2, -1)
        return mean, log_variance

    def decode(self, z: Tensor, classes: Tensor | None = None) -> Tensor:
        """The parameters of p(x|z): z (..., batch, latent) → (..., batch, outputs)."""
        return self.decoder(self._given(z, classes))

    def generate(self, z: Tensor, classes: Tensor | None = None) -> Tensor:
        """The mean image of p(x|z): z (..., batch, latent) → (..., batch, pixels)."""
        return self.likelihood.mean(self.decode(z, classes))

    def _given(self, x: Tensor, classes: Tensor | None) -> Tensor:
        # x (..., batch, n) with the one-hot class of each row appended
        if (classes is not None) != (self.n_classes > 0):
            raise ValueError(
                f"a VAE with n_classes={self.n_classes} needs "
                f"{'the class of each image' if self.n_classes else 'classes=None'}"
            )
        if classes is None:
            return x
        given = one_hot(classes, self.n_classes).to(x)
        return torch.cat([x, given.expand(*x.shape[:-1], -1)], dim=-1)

    def elbo(
        self, x: Tensor, classes: Tensor | None = None, *, generator: Generator
    ) -> Elbo:
        """The bound with one draw of z for each image (equation 10).

        Args:
            x: (batch, pixels) float.
            classes: (batch,) int64 for a conditional VAE, else None.
            generator: source of the noise, on the device of x.
        """
        mean, log_variance = self.encode(x, classes)
        z = reparameterise(mean, log_variance, _normal(mean.shape, x, generator))
        reconstruction = self.likelihood.log_prob(x, self.decode(z, classes))
        return Elbo(reconstruction, gaussian_kl(mean, log_variance))

    def log_weights(
        self,
        x: Tensor,
        n_samples: int,
        classes: Tensor | None = None,
        *,
        generator: Generator,
    ) -> Tensor:
        """log [p(x|z) p(z) / q(z|x)] at K = n_samples draws of z from q, (K, batch)."""
        mean, log_variance = self.encode(x, classes)
        noise = _normal((n_samples, *mean.shape), x, generator)
        z = reparameterise(mean, log_variance, noise)  # (K, batch, latent)
        log_p = gaussian_log_density(z, z.new_zeros(()), z.new_zeros(())).sum(-1)
        log_q = gaussian_log_density(z, mean, log_variance).sum(-1)
        return self.likelihood.log_prob(x, self.decode(z, classes)) + log_p - log_q


def importance_bound(log_weights: Tensor) -> Tensor:
    """log of the mean weight: (K, batch) → (batch,), the IWAE bound on log p(x).

    Equation 8 of Burda, Grosse and Salakhutdinov (2016), arXiv 1509.00519. Its
    expectation is the ELBO for K = 1, and rises with K towards log p(x).
    """
    return log_weights.logsumexp(0) - math.log(len(log_weights))


def constant(beta: float = 1.0) -> Schedule:
    """The same weight throughout."""
    return lambda progress: beta


def linear(ramp: float = 0.5, beta: float = 1.0) -> Schedule:
    """From 0 up to `beta` during the first `ramp` of training, a share in (0, 1].

    Sønderby et al. (2016), arXiv 1602.02282, call it warm-up.
    """
    return lambda progress: beta * min(1.0, progress / ramp)


def cyclical(n_cycles: int = 4, ramp: float = 0.5, beta: float = 1.0) -> Schedule:
    """`linear` started anew in each of `n_cycles` equal parts of training.

    Equations 6 and 7 of Fu et al. (2019), arXiv 1903.10145.
    """
    rise = linear(ramp, beta)
    return lambda progress: rise(progress * n_cycles % 1.0)


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
