"""The losses of HSC-T: against loops, closed forms and the paper's equations."""

import math
import os

import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from zoo.losses.adversarial import AdversarialLoss
from zoo.losses.contrastive import matching_loss, patch_contrast
from zoo.losses.regression import pixel_loss
from zoo.networks.gradient_reversal import reverse_gradient
from zoo.networks.image_discriminator import ImageDiscriminator


def test_matching_of_one_hot_and_of_equal_keys_has_its_closed_form():
    one_hot = torch.eye(5)
    assert float(matching_loss(one_hot, one_hot, 1.0)) == pytest.approx(math.log(1 + 4 / math.e), rel=1e-5)
    equal = torch.ones(5, 3)
    assert float(matching_loss(torch.randn(5, 3), equal, 0.05)) == pytest.approx(math.log(5), rel=1e-5)
    assert float(matching_loss(one_hot, one_hot.roll(1, 0), 0.05)) == pytest.approx(20.0, rel=1e-4)


def test_matching_sends_gradients_to_queries_alone_and_may_skip_the_norm():
    queries, keys = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
    matching_loss(queries, keys).backward()
    assert queries.grad.abs().sum() > 0
    assert keys.grad is None
    scaled = [float(matching_loss(factor * queries, keys, normalize=True)) for factor in (1, 7)]
    assert scaled[0] == pytest.approx(scaled[1], rel=1e-5)
    plain = [float(matching_loss(factor * queries, keys, normalize=False)) for factor in (1, 7)]
    assert plain[0] != pytest.approx(plain[1], rel=1e-2)


def test_matching_stays_in_float32_under_autocast():
    queries, keys = torch.randn(4, 8), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(matching_loss(queries, keys)) == float(matching_loss(queries.clone(), keys))
        lowered = matching_loss(queries, keys)
    assert lowered.dtype == torch.float32
    assert float(lowered) == pytest.approx(float(matching_loss(queries, keys)), rel=1e-6)


def test_matching_refuses_a_single_pair():
    with pytest.raises(ValueError, match="needs at least two"):
        matching_loss(torch.randn(1, 8), torch.randn(1, 8))


def _rank(rank: int, port: int, queries, keys, results) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    own = queries[4 * rank : 4 * rank + 4].clone().requires_grad_()
    loss = matching_loss(own, keys[4 * rank : 4 * rank + 4])
    loss.backward()
    results.put((rank, float(loss), own.grad.tolist()))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_processes_of_four_equal_one_of_eight(free_port):
    torch.manual_seed(0)
    queries, keys = torch.randn(8, 6), torch.randn(8, 6)
    whole = queries.clone().requires_grad_()
    loss = matching_loss(whole, keys)
    loss.backward()
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    workers = [context.Process(target=_rank, args=(rank, free_port, queries, keys, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    parts = sorted(results.get() for _ in workers)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sum(part[1] for part in parts) / 2 == pytest.approx(float(loss), rel=1e-5)
    gradient = torch.tensor([*parts[0][2], *parts[1][2]]) / 2  # as DistributedDataParallel averages
    assert torch.allclose(gradient, whole.grad, atol=1e-6)


def test_patch_contrast_equals_a_loop_over_valid_patches():
    torch.manual_seed(0)
    u, v = (F.normalize(torch.randn(3, 5, 8), dim=2).requires_grad_() for _ in range(2))
    valid = torch.tensor([[True] * 5, [True, False, True, True, False], [False, True, False, False, False]])
    loss = patch_contrast(u, v, valid, 0.05)
    terms = []
    for b in range(3):
        own = valid[b].nonzero()[:, 0]
        logits = u[b, own] @ v[b, own].T / 0.05
        terms += [F.cross_entropy(logits[i : i + 1], torch.tensor([i])) for i in range(len(own))]
    assert float(loss) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)
    gradients = torch.autograd.grad(loss, (u, v))
    for gradient in gradients:
        assert gradient.isfinite().all()
        assert (gradient[~valid] == 0).all()
    assert gradients[0][valid].abs().sum() > 0


def test_patch_contrast_falls_as_patches_agree_and_is_zero_without_any():
    v = F.normalize(torch.randn(1, 4, 8), dim=2)
    valid = torch.ones(1, 4, dtype=torch.bool)
    right, wrong = patch_contrast(v, v, valid), patch_contrast(v.roll(1, 1), v, valid)
    assert right < math.log(4) < wrong
    assert float(patch_contrast(v, v, ~valid)) == 0.0
    equal = torch.ones_like(v)
    assert float(patch_contrast(v, equal, valid)) == pytest.approx(math.log(4), rel=1e-5)


def test_pixel_losses_on_constants():
    target = torch.zeros(2, 3, 4, 8)
    prediction = target + 0.5
    assert float(pixel_loss(prediction, target, "mse")) == pytest.approx(0.25)
    assert float(pixel_loss(prediction, target, "levels")) == pytest.approx((0.5 * 127.5) ** 2)
    assert float(pixel_loss(prediction, target, "rmse")) == pytest.approx(0.5)
    assert float(pixel_loss(prediction, target, "as_printed")) == pytest.approx(0.5 * math.sqrt(96) / 32)
    same = target.clone().requires_grad_()
    for kind in ("rmse", "as_printed"):
        pixel_loss(same, target, kind).backward()
        assert same.grad.isfinite().all()


def test_reversal_gives_the_generator_the_gradient_of_log_one_minus_d():
    torch.manual_seed(0)
    discriminator = ImageDiscriminator(1, 4)
    real = torch.rand(2, 1, 16, 16)
    fake = torch.rand(2, 1, 16, 16, requires_grad=True)
    loss = AdversarialLoss("vanilla").discriminator(discriminator(real), discriminator(reverse_gradient(fake)))
    (reversed_gradient,) = torch.autograd.grad(loss, fake, retain_graph=True)
    minimax = torch.log(1 - discriminator(fake).sigmoid()).mean()
    (expected,) = torch.autograd.grad(minimax, fake)
    assert torch.allclose(reversed_gradient, expected, atol=1e-7)
    assert expected.abs().sum() > 0
    weight = discriminator.layers[0].weight
    (own,) = torch.autograd.grad(loss, weight, retain_graph=True)
    plain = AdversarialLoss("vanilla").discriminator(discriminator(real), discriminator(fake.detach()))
    assert torch.allclose(own, torch.autograd.grad(plain, weight)[0], atol=1e-7), "D descends its own loss"
