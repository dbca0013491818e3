"""Superpixels as vectors of one length, against loops over images and patches."""

import pytest
import torch
import torch.nn.functional as F

from zoo.networks.patch_sampler import SAMPLERS, Segments, sample_area, sample_box, sample_line


def some_labels() -> torch.Tensor:
    """Patches of very different sizes, one empty, some pixels outside."""
    torch.manual_seed(0)
    labels = torch.randint(-1, 4, (3, 13, 11))
    labels[0][labels[0] == 3] = 0  # an image with fewer regions than asked
    labels[1, 0, 0] = 4  # a region of one pixel
    return labels


def pieces(image: torch.Tensor, labels: torch.Tensor, patches: int):
    """Every patch of every image as a line ``(C, pixels)``."""
    for b in range(len(image)):
        for p in range(patches):
            yield b, p, image[b][:, labels[b] == p]


def test_the_line_sampler_equals_a_loop():
    labels, image = some_labels(), torch.randn(3, 3, 13, 11, requires_grad=True)
    segments = Segments.of(labels, 6)
    sampled = sample_line(image, segments, 32)
    assert sampled.shape == (3, 6, 3 * 32)
    for b, p, line in pieces(image, labels, 6):
        assert segments.valid[b, p] == (line.shape[1] > 0)
        expected = torch.zeros(3, 32)
        if line.shape[1]:
            expected = F.interpolate(line[None], 32, mode="linear", align_corners=False)[0]
        assert (sampled[b, p].view(3, 32) - expected).abs().max() < 1e-5
    sampled.square().sum().backward()
    inside = (labels >= 0)[:, None].expand_as(image)
    assert (image.grad[~inside] == 0).all()
    assert (image.grad[inside] != 0).float().mean() > 0.9


def test_the_area_sampler_is_adaptive_average_pooling_and_every_pixel_has_a_gradient():
    labels, image = some_labels(), torch.randn(3, 3, 13, 11, requires_grad=True)
    sampled = sample_area(image, Segments.of(labels, 6), 5)
    for b, p, line in pieces(image, labels, 6):
        expected = F.adaptive_avg_pool1d(line[None], 5)[0] if line.shape[1] else torch.zeros(3, 5)
        assert (sampled[b, p].view(3, 5) - expected).abs().max() < 1e-5
    sampled.square().sum().backward()
    inside = (labels >= 0)[:, None].expand_as(image)
    assert (image.grad[inside] != 0).all()
    assert (image.grad[~inside] == 0).all()


def test_the_box_sampler_equals_a_loop_over_cut_out_boxes():
    labels, image = some_labels(), torch.randn(3, 2, 13, 11, requires_grad=True)
    sampled = sample_box(image, Segments.of(labels, 6), 16)
    for b, p, line in pieces(image, labels, 6):
        expected = torch.zeros(2, 16)
        if line.shape[1]:
            rows, columns = torch.where(labels[b] == p)
            expected = _boxed(image[b] * (labels[b] == p), rows, columns)
        assert (sampled[b, p].view(2, 16) - expected).abs().max() < 1e-5
    sampled.sum().backward()
    assert image.grad.abs().sum() > 0


def _boxed(image: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Bilinear 4 x 4 samples of a box by grid_sample, which counts pixels in [-1, 1]."""
    axes = []
    for places, size in ((rows, image.shape[1]), (columns, image.shape[2])):
        first, length = int(places.min()), int(places.max() - places.min()) + 1
        axes.append((first + (torch.arange(4) + 0.5) / 4 * length) / size * 2 - 1)
    grid = torch.stack(torch.meshgrid(axes[1], axes[0], indexing="xy"), dim=-1)[None]
    return F.grid_sample(image[None], grid, align_corners=False, padding_mode="border")[0].flatten(1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_take_images_without_any_region(name):
    image = torch.randn(2, 1, 8, 8, requires_grad=True)
    segments = Segments.of(torch.full((2, 8, 8), -1), 4)
    sampled = SAMPLERS[name](image, segments, 16)
    assert not segments.valid.any()
    assert (sampled == 0).all()
    sampled.sum().backward()
    assert (image.grad == 0).all()
