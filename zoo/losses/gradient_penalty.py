"""R1, which keeps a discriminator smooth around real images (Mescheder et al., ICML 2018)."""

import torch
from torch import Tensor


def r1(scores: Tensor, images: Tensor) -> Tensor:
    """Eq. 9 there, without its weight: half the squared norm of the scores' gradient at each image, the mean over them.

    Args:
        scores: ``(B, ...)``, made of the images, in fp32.
        images: ``(B, ...)``, real ones, that require gradients.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1).mean()
