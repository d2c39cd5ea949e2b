"""helpers.vae and helpers.vae_training against torch.distributions, scipy, sklearn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA
from torch.distributions import Bernoulli, Normal, kl_divergence

from helpers import vae, vae_training
from helpers.device import torch_threads

N_PIXELS, N_LATENT, BATCH = 6, 3, 5
LIKELIHOODS = [vae.Bernoulli, vae.Gaussian, vae.IsotropicGaussian]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with torch_threads(1):  # the networks are too small to share out
        yield


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def make_model(**options) -> vae.VAE:
    options = {"hidden": (7,), **options}
    return vae.VAE(N_PIXELS, N_LATENT, **options).double()


def make_images(generator, n=BATCH) -> torch.Tensor:
    return torch.rand(n, N_PIXELS, generator=generator, dtype=torch.float64)


def linear_model() -> tuple[vae.VAE, np.ndarray, np.ndarray]:
    """p(x|z) = N(w z + b, s²), its exact posterior in the encoder; b and cov of x."""
    model = vae.VAE(2, 1, hidden=(), likelihood=vae.IsotropicGaussian).double()
    w, b, variance = np.array([1.5, -0.7]), np.array([0.3, 1.1]), 0.4
    precision = 1 + w @ w / variance
    with torch.no_grad():
        model.decoder[0].weight.copy_(torch.tensor(w)[:, None])
        model.decoder[0].bias.copy_(torch.tensor(b))
        model.likelihood.log_variance.fill_(math.log(variance))
        to_mean = torch.tensor(w / variance / precision)
        model.encoder[0].weight.copy_(torch.stack([to_mean, torch.zeros(2)]))
        model.encoder[0].bias.copy_(
            torch.tensor([-(to_mean.numpy() @ b), -math.log(precision)])
        )
    return model, b, np.outer(w, w) + variance * np.eye(2)


def test_kl_of_each_number_is_that_of_torch_distributions(generator):
    mean, log_variance = torch.randn(2, 4, 3, generator=generator)
    q = Normal(mean, (log_variance / 2).exp())
    ours = vae.gaussian_kl(mean, log_variance)
    assert ours.shape == (4, 3)
    torch.testing.assert_close(ours, kl_divergence(q, Normal(0.0, 1.0)))


@given(st.floats(-20, 20), st.floats(-10, 10))
def test_kl_is_never_negative(mean, log_variance):
    mean, log_variance = torch.tensor([mean, log_variance], dtype=torch.float64)
    assert vae.gaussian_kl(mean, log_variance) >= -1e-12


def test_log_density_is_that_of_scipy(generator):
    x = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    mean, log_variance = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    ours = vae.gaussian_log_density(x, mean, log_variance)
    assert ours.shape == (2, 4, 3)
    np.testing.assert_allclose(
        ours, stats.norm.logpdf(x, mean, (log_variance / 2).exp()), rtol=1e-12
    )


def test_likelihoods_sum_over_pixels_and_broadcast_over_samples(generator):
    x = make_images(generator).round()
    logits = torch.randn(4, BATCH, N_PIXELS, generator=generator, dtype=x.dtype)
    ours = vae.Bernoulli().log_prob(x, logits)
    assert ours.shape == (4, BATCH)
    torch.testing.assert_close(ours, Bernoulli(logits=logits).log_prob(x).sum(-1))

    outputs = torch.randn(4, BATCH, 2 * N_PIXELS, generator=generator, dtype=x.dtype)
    mean, log_variance = outputs[..., :N_PIXELS], outputs[..., N_PIXELS:]
    expected = Normal(mean, (log_variance / 2).exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(vae.Gaussian().log_prob(x, outputs), expected)
    torch.testing.assert_close(vae.Gaussian().mean(outputs), mean)

    shared = vae.IsotropicGaussian().double()
    shared.log_variance.data.fill_(-1.3)
    expected = Normal(mean, math.exp(-0.65)).log_prob(x).sum(-1)
    torch.testing.assert_close(shared.log_prob(x, mean), expected)


def test_bernoulli_rejects_grey_levels_that_are_not_scaled():
    with pytest.raises(ValueError, match=r"0 to 16.*scaled to \[0, 1\]"):
        vae.Bernoulli().log_prob(torch.tensor([0.0, 16.0]), torch.zeros(2))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_two_forms_of_the_elbo_agree(likelihood, generator):
    model = make_model(likelihood=likelihood)
    x = make_images(generator)
    with torch.no_grad():
        repeated = x.repeat_interleave(20_000, 0)
        terms = model.elbo(repeated, generator=generator)
        weights = model.log_weights(x, 20_000, generator=generator)
    assert terms.reconstruction.shape == (BATCH * 20_000,)
    assert terms.kl.shape == (BATCH * 20_000, N_LATENT)
    assert weights.shape == (20_000, BATCH)
    by_terms = terms.value.view(BATCH, -1)
    error = (by_terms.var(1) / 20_000 + weights.var(0) / 20_000).sqrt()
    assert ((by_terms.mean(1) - weights.mean(0)).abs() < 5 * error).all()


def test_exact_posterior_makes_every_weight_the_likelihood(generator):
    model, mean, covariance = linear_model()
    x = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    exact = stats.multivariate_normal(mean, covariance).logpdf(x)
    with torch.no_grad():
        weights = model.log_weights(x, 3, generator=generator)
    np.testing.assert_allclose(weights, np.broadcast_to(exact, (3, 5)), rtol=1e-9)


def test_gap_of_the_elbo_is_the_kl_to_the_posterior(generator):
    model, mean, covariance = linear_model()
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    with torch.no_grad():
        true_mean, true_log_variance = model.encode(x)
        model.encoder[0].bias += torch.tensor([0.2, 0.5])  # a worse q
        q_mean, q_log_variance = model.encode(x)
        terms = model.elbo(x.repeat(200_000, 1), generator=generator)
    gap = stats.multivariate_normal(mean, covariance).logpdf(x) - terms.value.mean()
    q = Normal(q_mean, (q_log_variance / 2).exp())
    posterior = Normal(true_mean, (true_log_variance / 2).exp())
    assert gap.item() == pytest.approx(kl_divergence(q, posterior).item(), abs=0.01)


def test_importance_bound_is_the_log_of_the_mean_weight(generator):
    log_weights = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    ours = vae.importance_bound(log_weights)
    assert ours.shape == (4,)
    torch.testing.assert_close(ours, log_weights.exp().mean(0).log())
    # no overflow, where exp alone would
    torch.testing.assert_close(vae.importance_bound(log_weights + 1000), ours + 1000)


def test_importance_bound_rises_to_the_exact_likelihood():
    model, mean, covariance = linear_model()
    with torch.no_grad():
        model.encoder[0].bias += torch.tensor([0.3, 1.0])
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64).repeat(2_000, 1)
    exact = stats.multivariate_normal(mean, covariance).logpdf(x[0])
    bounds = [
        vae_training.log_likelihood(model, x, k).mean().item() for k in (1, 5, 50)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01
    assert bounds[2] == pytest.approx(exact, abs=0.01)


def test_log_likelihood_keeps_the_order_of_images_across_chunks(monkeypatch):
    model, mean, covariance = linear_model()
    x = torch.linspace(-2, 2, 14, dtype=torch.float64).view(7, 2)
    monkeypatch.setattr(vae_training, "_DECODED_AT_ONCE", 8)  # 2 images at a time
    ours = vae_training.log_likelihood(model, x, 4)
    exact = stats.multivariate_normal(mean, covariance).logpdf(x)
    np.testing.assert_allclose(ours, exact, rtol=1e-9)


def test_linear_vae_reaches_the_likelihood_of_ppca():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 5))
    x = factors + 0.3 * rng.normal(size=(500, 5)) + rng.normal(size=5)
    model = vae.VAE(5, 2, hidden=(), likelihood=vae.IsotropicGaussian)
    vae_training.fit(
        model, torch.tensor(x), epochs=80, batch_size=50, learning_rate=0.05
    )
    ours = vae_training.log_likelihood(model, torch.tensor(x), 50).mean().item()
    # the best that any model of this family can do, so a lower bound may not pass it
    best = PCA(2).fit(x).score(x)
    assert best - 0.05 < ours < best + 0.005
    noise = model.likelihood.log_variance.exp().item()
    assert noise == pytest.approx(PCA(2).fit(x).noise_variance_, rel=0.1)


def test_average_keeps_the_terms_apart():
    terms = vae.Elbo(torch.tensor([1.0, 3.0]), torch.tensor([[1.0, 0.5], [3.0, 0.1]]))
    average = terms.average()
    assert average.reconstruction.item() == 2.0
    torch.testing.assert_close(average.kl, torch.tensor([2.0, 0.3]))
    torch.testing.assert_close(terms.rate, torch.tensor([1.5, 3.1]))
    torch.testing.assert_close(terms.value, torch.tensor([-0.5, -0.1]))
    assert average.value.item() == pytest.approx(-0.3)


def test_loss_weighs_the_kl_and_leaves_free_bits_free():
    reconstruction = torch.tensor([1.0, 3.0])
    kl = torch.tensor([[1.0, 0.5], [3.0, 0.1]], requires_grad=True)
    terms = vae.Elbo(reconstruction, kl)
    assert terms.loss().item() == pytest.approx(-2.0 + 2.3)
    assert terms.loss(beta=4).item() == pytest.approx(-2.0 + 4 * 2.3)
    free = terms.loss(beta=4, free_bits=1.5)
    assert free.item() == pytest.approx(-2.0 + 4 * (2.0 + 1.5))
    free.backward()
    # the second dimension spends 0.3 nats of its 1.5, so nothing pushes on it
    torch.testing.assert_close(kl.grad, torch.tensor([[2.0, 0.0], [2.0, 0.0]]))


def test_schedules_at_chosen_places():
    linear = vae.linear(ramp=0.5, beta=3.0)
    assert [linear(p) for p in (0.0, 0.25, 0.5, 0.9)] == [0.0, 1.5, 3.0, 3.0]
    cyclical = vae.cyclical(n_cycles=2, ramp=0.5)
    places = (0.0, 0.125, 0.25, 0.45, 0.5, 0.625, 0.75)
    assert [cyclical(p) for p in places] == [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]
    assert [vae.constant(0.2)(p) for p in (0.0, 0.9)] == [0.2, 0.2]


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 9), st.floats(0.1, 1))
def test_schedules_stay_between_zero_and_beta(progress, n_cycles, ramp):
    assert 0 <= vae.cyclical(n_cycles, ramp, beta=2.0)(progress) <= 2.0
    assert 0 <= vae.linear(ramp, beta=2.0)(progress) <= 2.0


def test_conditional_form_sees_the_class(generator):
    model = make_model(n_classes=4)
    x, classes = make_images(generator), torch.tensor([0, 3, 1, 2, 3])
    z = torch.randn(2, BATCH, N_LATENT, generator=generator, dtype=torch.float64)
    images = model.generate(z, classes)
    assert images.shape == (2, BATCH, N_PIXELS)
    # each row gets its own class, whatever stands in front of the batch axis
    torch.testing.assert_close(images[1, 2], model.generate(z[1, 2:3], classes[2:3])[0])
    other = model.generate(z, (classes + 1) % 4)
    assert (images - other).abs().amin(dim=(0, 2)).gt(0).all()
    q, q_other = model.encode(x, classes)[0], model.encode(x, (classes + 1) % 4)[0]
    assert q.shape == (BATCH, N_LATENT)
    assert (q - q_other).abs().amin(1).gt(0).all()


def test_errors_name_the_value_and_the_remedy(generator):
    x, classes = make_images(generator), torch.zeros(BATCH, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"n_classes=0 needs classes=None"):
        make_model().encode(x, classes)
    with pytest.raises(ValueError, match=r"n_classes=4 needs the class"):
        make_model(n_classes=4).encode(x)
    with pytest.raises(ValueError, match=r"\(5, 2, 3\): flatten .* \(batch, 6\)"):
        make_model().encode(x.view(BATCH, 2, 3))
    with pytest.raises(ValueError, match="5 images, but 4 classes"):
        vae_training.fit(make_model(n_classes=4), x, classes[:4], epochs=1)
    with pytest.raises(ValueError, match="ELBO became nan in epoch 1"):
        vae_training.fit(make_model(), x * math.nan, epochs=1)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gradients_reach_every_parameter(likelihood, generator):
    model = make_model(likelihood=likelihood, n_classes=4)
    classes = torch.tensor([0, 3, 1, 2, 3])
    model.elbo(make_images(generator), classes, generator=generator).loss().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_seed_fixes_weights_and_training_and_leaves_torch_alone(generator):
    before = torch.get_rng_state()
    x = make_images(generator, n=50)

    def trained(seed):
        model = make_model(seed=seed)
        history = vae_training.fit(model, x, epochs=3, batch_size=16, seed=seed)
        return model, history

    (a, history), (b, _), (c, _) = trained(1), trained(1), trained(2)
    assert len(history) == 3
    assert history[0].kl.shape == (N_LATENT,)
    for p, q, r in zip(a.parameters(), b.parameters(), c.parameters(), strict=True):
        assert torch.equal(p, q)
        assert not torch.equal(p, r)
    assert torch.equal(torch.get_rng_state(), before)


def test_beta_and_noise_are_asked_at_each_step(generator):
    asked, sizes = [], []

    def beta(progress):
        asked.append(progress)
        return 1.0

    def noise(batch, generator):
        sizes.append(len(batch))
        return batch

    x = make_images(generator, n=10)
    vae_training.fit(make_model(), x, epochs=2, batch_size=4, beta=beta, noise=noise)
    assert asked == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert sizes == [4, 4, 2, 4, 4, 2]


def test_active_units_are_those_whose_mean_varies(generator):
    model = make_model(hidden=())
    with torch.no_grad():
        model.encoder[0].weight[1] = 0.0  # the mean of dimension 1 ignores x
        model.encoder[0].bias[1] = 5.0
        model.encoder[0].weight[0] = 2.0
        model.encoder[0].weight[2] = -2.0
    active = vae_training.active_units(model, make_images(generator, n=40))
    assert active.tolist() == [True, False, True]


def test_dequantise_spreads_levels_over_the_unit_interval(generator):
    grey = torch.randint(0, 17, (50, 6), generator=generator).double()
    spread = vae_training.dequantise(grey, 17, generator)
    assert spread.min() >= 0
    assert spread.max() < 1
    assert torch.equal((spread * 17).floor(), grey)
    rest = spread * 17 - grey
    assert stats.kstest(rest.flatten(), "uniform").pvalue > 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")
def test_gpu_trains_the_same_model(generator):
    model = make_model(n_classes=2).to("cuda")
    x, classes = make_images(generator, n=40), torch.arange(40) % 2
    history = vae_training.fit(model, x, classes, epochs=2)
    assert history[-1].kl.device.type == "cuda"
    assert vae_training.log_likelihood(model, x, 5, classes).shape == (40,)
    assert vae_training.active_units(model, x, classes).shape == (N_LATENT,)
