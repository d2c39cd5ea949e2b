"""The sampled softmax against the exact one."""

import pytest
import torch

from helpers.softmax import sampled_softmax_loss, softmax_loss

V, D, N = 50, 4, 6


@pytest.fixture
def case():
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, D, generator=g, dtype=torch.float64)
    outputs = torch.randn(V, D, generator=g, dtype=torch.float64)
    bias = torch.randn(V, generator=g, dtype=torch.float64)
    targets = torch.randint(V, (N,), generator=g)
    noise = torch.rand(V, generator=g, dtype=torch.float64) + 0.1
    return hidden, targets, outputs, bias, noise / noise.sum()


def test_softmax_loss_is_the_mean_surprise(case):
    hidden, targets, outputs, bias, _ = case
    scores = hidden @ outputs.T + bias
    p = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    expected = -torch.log(p[range(N), targets]).mean()
    torch.testing.assert_close(softmax_loss(hidden, targets, outputs, bias), expected)


def test_many_samples_give_the_exact_loss_and_gradient(case):
    hidden, targets, outputs, bias, noise = case
    results = []
    for exact in (True, False):
        h, e = hidden.clone().requires_grad_(), outputs.clone().requires_grad_()
        b = bias.clone().requires_grad_()
        if exact:
            loss = softmax_loss(h, targets, e, b)
        else:
            g = torch.Generator().manual_seed(1)
            column = b[:, None].detach().requires_grad_()
            loss = sampled_softmax_loss(
                h, targets, e, column, noise, 400_000, generator=g
            )
        loss.backward()
        results.append((loss, h.grad, e.grad.to_dense()))
    for exact, sampled in zip(*results, strict=True):
        assert exact.shape == sampled.shape
        torch.testing.assert_close(sampled, exact, rtol=0.03, atol=0.01)


def test_gradient_reaches_only_targets_and_sample(case):
    hidden, targets, outputs, bias, noise = case
    outputs.requires_grad_()
    g = torch.Generator().manual_seed(3)
    drawn = torch.multinomial(
        noise, 5, True, generator=torch.Generator().manual_seed(3)
    )
    sampled_softmax_loss(
        hidden, targets, outputs, bias[:, None], noise, 5, generator=g
    ).backward()
    assert outputs.grad.is_sparse
    touched = set(outputs.grad.coalesce().indices()[0].tolist())
    assert touched == {*targets.tolist(), *drawn.tolist()}


def test_sample_of_the_target_alone_costs_nothing(case):
    """All draws equal the target: nothing competes, so the loss is zero."""
    hidden, _, outputs, bias, _ = case
    noise = torch.full((V,), 1e-300, dtype=torch.float64)
    noise[7] = 1.0
    loss = sampled_softmax_loss(
        hidden[:1],
        torch.tensor([7]),
        outputs,
        bias[:, None],
        noise,
        10,
        generator=torch.Generator().manual_seed(0),
    )
    assert loss.item() == 0.0
