"""What a deformation costs."""

from torch import Tensor


def smoothness(field: Tensor) -> Tensor:
    """|grad phi|^2 of RegGAN (Kong et al., NeurIPS 2021): the mean squares of the differences of neighbours, down and
    across, added. 0 for a shift.

    Args:
        field: displacements ``(B, 2, H, W)``, in pixels.
    """
    field = field.float()
    return field.diff(dim=2).square().mean() + field.diff(dim=3).square().mean()
