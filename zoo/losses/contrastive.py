"""Contrast between what belongs together and what does not (InfoNCE), on samples and on patches: HSC-T."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


def matching_loss(queries: Tensor, keys: Tensor, temperature: float = 0.05, normalize: bool = True) -> Tensor:
    """L = -(1/N) sum_i log(exp(q_i k_i / tau) / sum_j exp(q_i k_j / tau)) (HSC-T, eq. 1).

    Query ``i`` belongs to key ``i``; the other keys are its negatives, those of all processes where there are several.
    Computed in float32 whatever the precision around it.

    Args:
        queries: ``(N, D)``, with gradient.
        keys: ``(N, D)``, without.
        normalize: bring both to unit length first. The paper does not say; without it, pooled features of this scale
            saturate the softmax.

    Raises:
        ValueError: a single pair has nothing to be told apart from.
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys = queries.float(), keys.detach().float()
        if normalize:
            queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
        keys, first = _of_all_processes(keys)
        if len(keys) < 2:
            raise ValueError("the matching loss compares the pairs of a batch: it needs at least two")
        target = torch.arange(len(queries), device=queries.device) + first
        return F.cross_entropy(queries @ keys.T / temperature, target)


def patch_contrast(generated: Tensor, real: Tensor, valid: Tensor, temperature: float = 0.05) -> Tensor:
    """L = -mean_i log(exp(u_i v_i / tau) / sum_j exp(u_i v_j / tau)) over the patches of one image (HSC-T, eq. 4).

    Args:
        generated: ``(B, n, D)``, u: embedded patches of the translations.
        real: ``(B, n, D)``, v: embedded patches of the targets, the same regions.
        valid: bool ``(B, n)``; the others are neither queries nor negatives. Without any the loss is 0.
    """
    with torch.autocast(generated.device.type, enabled=False):
        logits = generated.float() @ real.float().transpose(1, 2) / temperature
        logits = logits.masked_fill(~valid[:, None, :], -torch.inf)
        target = torch.arange(logits.shape[1], device=logits.device).expand(valid.shape)
        target = target.masked_fill(~valid, -100)  # cross_entropy's own "ignore"
        logits = logits.masked_fill(~valid[..., None], 0.0)  # an ignored row of -inf would make its gradient NaN
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum") / valid.sum().clamp_min(1)


def _of_all_processes(keys: Tensor) -> tuple[Tensor, int]:
    """The keys of every process in the order of ranks, and where this process' own begin."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return keys, 0
    parts = [torch.empty_like(keys) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, keys.contiguous())
    return torch.cat(parts), dist.get_rank() * len(keys)
