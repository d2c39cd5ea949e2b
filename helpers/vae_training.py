"""Training a variational autoencoder of `helpers.vae`, and measuring what it learned.

Everything runs on the device that the model is on, and draws from one seed.
"""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from tqdm import tqdm

from helpers.vae import VAE, Elbo, Schedule, constant, importance_bound

_DECODED_AT_ONCE = 4_000  # images: few enough to stay in the cache


def dequantise(images: Tensor, levels: int, generator: Generator) -> Tensor:
    """Spread grey levels 0 … levels - 1 evenly over [0, 1): (x + u) / levels.

    The mean log density of the result, minus (number of pixels) * log(levels), is a
    lower bound on the log probability of the whole numbers (Theis, van den Oord and
    Bethge 2016, arXiv 1511.01844, section 3.1).
    """
    noise = torch.rand(
        images.shape, generator=generator, dtype=images.dtype, device=images.device
    )
    return (images + noise) / levels


def fit(
    model: VAE,
    images: Tensor,
    classes: Tensor | None = None,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    beta: Schedule | None = None,
    free_bits: float = 0.0,
    noise: Callable[[Tensor, Generator], Tensor] | None = None,
    seed: int = 0,
) -> list[Elbo]:
    """Train by Adam on `Elbo.loss`, on the device that the model is on.

    The learning rate rises to `learning_rate` and falls to zero again (the one-cycle
    policy of Smith and Topin 2019), which is quicker than a constant one.

    Args:
        images: (n, pixels) float.
        classes: (n,) int64 for a conditional VAE, else None.
        beta: the KL term's weight over time; `constant()` by default.
        free_bits: as in `Elbo.loss`.
        noise: applied to each batch anew: `dequantise`, or a random binarisation.
        seed: fixes the order of the images and all noise.

    Returns:
        The average ELBO terms of each epoch, as training saw them.

    Raises:
        ValueError: the shapes don't fit the model, or the loss is no longer finite.
    """
    images, classes, generator = _prepare(model, images, classes, seed)
    beta = beta or constant()
    steps = math.ceil(len(images) / batch_size)
    optimiser = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=epochs * steps
    )
    history: list[Elbo] = []
    bar = tqdm(range(epochs), "training", unit=" epochs", leave=False)
    for epoch in bar:
        order = torch.randperm(len(images), generator=generator, device=images.device)
        terms = []
        for step, batch in enumerate(order.split(batch_size)):
            x = noise(images[batch], generator) if noise else images[batch]
            elbo = model.elbo(x, _take(classes, batch), generator=generator)
            loss = elbo.loss(beta((epoch + step / steps) / epochs), free_bits)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            terms.append((elbo.reconstruction.detach(), elbo.kl.detach()))
        history.append(Elbo(*map(torch.cat, zip(*terms, strict=True))).average())
        bound = history[-1].value.item()
        if not math.isfinite(bound):
            raise ValueError(
                f"the ELBO became {bound} in epoch {epoch + 1}: use a smaller learning "
                "rate, and dequantise pixels that are constant"
            )
        bar.set_postfix(ELBO=f"{bound:.1f}", refresh=False)
    return history


@torch.no_grad()
def log_likelihood(
    model: VAE,
    images: Tensor,
    n_samples: int,
    classes: Tensor | None = None,
    *,
    seed: int = 0,
) -> Tensor:
    """The importance-weighted estimate of log p(x) for each image, (n,), in nats.

    Args:
        images: (n, pixels).
        n_samples: K; the estimate is a lower bound, tighter for larger K.
        classes: (n,) int64 for a conditional VAE, which gives log p(x|class).
    """
    images, classes, generator = _prepare(model, images, classes, seed)
    size = max(1, _DECODED_AT_ONCE // n_samples)
    parts = [
        model.log_weights(images[i], n_samples, _take(classes, i), generator=generator)
        for i in torch.arange(len(images), device=images.device).split(size)
    ]
    return torch.cat([importance_bound(part) for part in parts])


@torch.no_grad()
def active_units(
    model: VAE,
    images: Tensor,
    classes: Tensor | None = None,
    *,
    threshold: float = 0.01,
) -> Tensor:
    """Which latent dimensions tell images apart, (latent,) bool.

    A dimension is active if the variance over images of its posterior mean exceeds
    the threshold (Burda, Grosse and Salakhutdinov 2016, section 5.2).
    """
    images, classes, _ = _prepare(model, images, classes, seed=0)
    return model.encode(images, classes)[0].var(0) > threshold


def _take(classes: Tensor | None, index: Tensor) -> Tensor | None:
    return None if classes is None else classes[index]


def _prepare(
    model: VAE, images: Tensor, classes: Tensor | None, seed: int
) -> tuple[Tensor, Tensor | None, Generator]:
    """Data on the model's device and in its dtype, and a source of noise there."""
    weight = next(model.parameters())
    if classes is not None:
        if len(classes) != len(images):
            raise ValueError(f"{len(images)} images, but {len(classes)} classes")
        classes = classes.to(weight.device)
    generator = torch.Generator(weight.device).manual_seed(seed)
    return images.to(weight), classes, generator
