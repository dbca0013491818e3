"""What a scanner makes of tissue: the field's usual fast simulator, a shift-variant convolution.

Point scatterers of random phase, weighted by the backscatter map and by the round-trip attenuation, are convolved
with a pulse whose lateral width depends on depth; noise, gain, envelope detection, log compression and a grey map
follow. Everything is batched torch on the device of its input, so a CPU worker and a GPU run the same code.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.phantom.tissue import Field, Tissue

SPEED_OF_SOUND = 1.54  # mm/us
MARGIN = 32  # rows and columns simulated beyond the picture, so that the periodic convolution does not wrap into it
OVERSAMPLING = 2  # rows simulated per picture row
FWHM = 2.3548  # full width at half maximum of a Gaussian of unit standard deviation


@dataclass(frozen=True)
class Scanner:
    """A scanner in a handful of numbers.

    Args:
        frequency: centre frequency in MHz.
        bandwidth: -6 dB bandwidth over the centre frequency.
        f_number: depth over aperture; lateral resolution at the focus is about ``f_number`` wavelengths.
        focus: transmit focus in mm.
        dynamic_range: dB between black and white.
        noise: electronic noise in dB under the echo of gland at the skin.
        gain_slope: attenuation in dB/cm/MHz that the time-gain curve makes up for.
        gain: dB added before compression; gland without attenuation then lies at ``gain`` dB under white.
        gamma: exponent of the grey map; above 1 darkens.
        looks: compounded frames; speckle contrast falls with their square root.
        smoothing: standard deviation in mm of the speckle filter on the compressed image.
    """

    name: str
    frequency: float
    bandwidth: float
    f_number: float
    focus: float
    dynamic_range: float = 60.0
    noise: float = -62.0
    gain_slope: float = 0.55
    gain: float = -22.0
    gamma: float = 1.2
    looks: int = 1
    smoothing: float = 0.0

    @property
    def wavelength(self) -> float:
        """In mm."""
        return SPEED_OF_SOUND / self.frequency

    def axial_sigma(self) -> float:
        """Standard deviation of the pulse-echo envelope in mm, from the bandwidth."""
        sigma_frequency = self.bandwidth * self.frequency / FWHM
        return SPEED_OF_SOUND / 2 / (2 * torch.pi * sigma_frequency)

    def lateral_sigma(self, depth: Tensor) -> Tensor:
        """Standard deviation of the two-way beam in mm at each depth: a receive beam that is focused everywhere
        times a transmit beam that widens away from its focus over its depth of field, 7 f_number^2 wavelengths."""
        receive = self.wavelength * self.f_number
        depth_of_field = 7 * self.f_number * receive
        transmit = receive * torch.sqrt(1 + ((depth - self.focus) / depth_of_field) ** 2)
        width = 1 / torch.sqrt(1 / receive**2 + 1 / transmit**2)
        return width / FWHM * 1.41421356


CART = Scanner("cart", 10.0, 0.7, 1.6, 18.0, dynamic_range=64, gain=-24, gamma=1.5, looks=3, smoothing=0.10)
HANDHELD = Scanner(
    "handheld", 6.0, 0.55, 2.4, 22.0, dynamic_range=54, noise=-46, gain=-22, gain_slope=0.45, gamma=1.2
)  # fmt: skip
# Five profiles for the harmonizer: four sources and, last, the scanner that all others are brought to.
FIVE_SCANNERS = (
    Scanner("scanner A", 9.0, 0.65, 1.8, 20.0, dynamic_range=70, gain=-30, gamma=1.1, looks=2),
    Scanner("scanner B", 7.5, 0.60, 2.2, 25.0, dynamic_range=50, noise=-52, gain=-17, gamma=1.2, looks=1),
    Scanner("scanner C", 12.0, 0.75, 1.5, 15.0, dynamic_range=66, gain=-26, gain_slope=0.45, gamma=1.7, looks=4),
    Scanner("scanner D", 6.5, 0.50, 2.6, 18.0, dynamic_range=56, noise=-50, gain=-24, gamma=1.0, smoothing=0.25),
    Scanner("reference", 10.0, 0.70, 1.6, 20.0, dynamic_range=60, gain=-23, gamma=1.5, looks=3, smoothing=0.12),
)


@dataclass
class TissueBatch:
    """Tissues of one field of view as tensors ``(B, rows, columns)`` on one device."""

    view: Field
    echo: Tensor
    attenuation: Tensor
    points: list[np.ndarray]

    @classmethod
    def of(cls, tissues: list[Tissue], view: Field, device: torch.device | str = "cpu") -> "TissueBatch":
        def stack(name: str) -> Tensor:
            return torch.from_numpy(np.stack([getattr(tissue, name) for tissue in tissues])).float().to(device)

        return cls(view, stack("echo"), stack("attenuation"), [tissue.points for tissue in tissues])


def b_mode(
    tissues: TissueBatch, scanner: Scanner, rngs: list[np.random.Generator], gain_offset: Tensor | None = None
) -> Tensor:
    """B-mode images ``(B, rows, columns)`` in [0, 1].

    Args:
        rngs: one generator an image; scatterers and noise are drawn from it on the CPU, so that an image does not
            depend on the batch that it is in, nor on the device.
        gain_offset: dB ``(B,)`` by which the operator's gain differs.
    """
    level = decibel(envelope(tissues, scanner, rngs))
    if gain_offset is not None:
        level = level + gain_offset.to(level).view(-1, 1, 1)
    level = level.unflatten(1, (tissues.view.rows, OVERSAMPLING)).mean(2)
    picture = (1 + (level + scanner.gain) / scanner.dynamic_range).clamp(0, 1) ** scanner.gamma
    if scanner.smoothing > 0:
        picture = blur(picture, scanner.smoothing / tissues.view.row_mm, scanner.smoothing / tissues.view.column_mm)
    return picture.clamp(0, 1)


def envelope(tissues: TissueBatch, scanner: Scanner, rngs: list[np.random.Generator]) -> Tensor:
    """Detected echo ``(B, OVERSAMPLING * rows, columns)``, time-gain applied, mean power 1 for gland at the skin."""
    view, device = tissues.view, tissues.echo.device
    rows, columns = view.rows * OVERSAMPLING, view.columns + 2 * MARGIN
    depth = (torch.arange(rows + 2 * MARGIN, device=device) + 0.5) * (view.row_mm / OVERSAMPLING)
    weight = _fine(_received_level(tissues, scanner))
    gain = scanner.gain_slope * 2 * scanner.frequency * depth[:rows] / 10
    transfer = _transfer(scanner, view, depth, columns)
    points = _point_echoes(tissues, scanner, *transfer)
    amplitude = torch.zeros(len(rngs), rows, view.columns, device=device)
    for _ in range(scanner.looks):
        scatterers = _complex_normal(rngs, weight.shape[1:], device) * weight + points
        signal = _convolve(scatterers, *transfer)[:, :rows, MARGIN:-MARGIN]
        noise = _complex_normal(rngs, (rows, view.columns), device) * 10 ** (scanner.noise / 20)
        amplitude += (signal + noise).abs()
    return amplitude / scanner.looks * 10 ** (gain / 20)[:, None]


def decibel(amplitude: Tensor) -> Tensor:
    return 20 * torch.log10(amplitude.clamp_min(1e-9))


def blur(image: Tensor, rows: float, columns: float) -> Tensor:
    """Gaussian blur of ``(B, H, W)`` with standard deviations in pixels and mirrored borders."""
    for axis, sigma in ((1, rows), (2, columns)):
        radius = int(3 * sigma + 0.5)
        if radius == 0:
            continue
        offset = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
        kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
        kernel = (kernel / kernel.sum()).view((1, 1, -1, 1) if axis == 1 else (1, 1, 1, -1))
        pad = (0, 0, radius, radius) if axis == 1 else (radius, radius, 0, 0)
        padded = torch.nn.functional.pad(image[:, None], pad, mode="reflect")
        image = torch.nn.functional.conv2d(padded, kernel)[:, 0]
    return image


def _received_level(tissues: TissueBatch, scanner: Scanner) -> Tensor:
    """Echo minus round-trip attenuation as an amplitude, ``(B, rows, columns)``."""
    step_cm = tissues.view.row_mm / 10
    lost = 2 * scanner.frequency * step_cm * (tissues.attenuation.cumsum(1) - 0.5 * tissues.attenuation)
    return 10 ** ((tissues.echo - lost) / 20)


def _fine(image: Tensor) -> Tensor:
    """Onto the simulation's rows, with the edges repeated into the margins."""
    fine = image.repeat_interleave(OVERSAMPLING, dim=1)
    return torch.nn.functional.pad(fine[:, None], (MARGIN, MARGIN, 0, 2 * MARGIN), mode="replicate")[:, 0]


def _transfer(scanner: Scanner, view: Field, depth: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """Fourier transfer of the lateral beam ``(rows, columns)``, one a depth, and of the pulse ``(rows, 1)``.

    Scaled so that white scatterers of unit power come out with unit power at every depth.
    """
    rows, row_mm = len(depth), view.row_mm / OVERSAMPLING
    lateral = torch.fft.fftfreq(columns, view.column_mm, device=depth.device)
    beam = torch.exp(-2 * (torch.pi * scanner.lateral_sigma(depth)[:, None] * lateral) ** 2)
    axial = torch.fft.fftfreq(rows, row_mm, device=depth.device)
    pulse = torch.exp(-2 * (torch.pi * scanner.axial_sigma() * axial) ** 2)
    beam = beam / beam.square().mean(1, keepdim=True).sqrt()
    return beam, (pulse / pulse.square().mean().sqrt())[:, None]


def _convolve(scatterers: Tensor, beam: Tensor, pulse: Tensor) -> Tensor:
    lateral = torch.fft.ifft(torch.fft.fft(scatterers, dim=2) * beam, dim=2)
    return torch.fft.ifft(torch.fft.fft(lateral, dim=1) * pulse, dim=1)


def _complex_normal(rngs: list[np.random.Generator], shape: tuple[int, ...], device) -> Tensor:
    """Circular complex Gaussian numbers of unit power, ``(B, *shape)``."""
    drawn = np.stack([rng.standard_normal((*shape, 2), dtype=np.float32) for rng in rngs])
    return torch.view_as_complex(torch.from_numpy(drawn).to(device) * 0.70710678)


def _point_echoes(tissues: TissueBatch, scanner: Scanner, beam: Tensor, pulse: Tensor) -> Tensor:
    """Bright points (calcifications, wires): their peak lies ``level`` dB over gland, whatever the beam.

    A point of amplitude 1 is seen with the peak of the response, which is the mean of its transfer. For a Gaussian of
    standard deviation s pixels and unit power that is (sqrt(pi) s)^(-1/2) along each axis.
    """
    view, (rows, columns), device = tissues.view, beam.shape, tissues.echo.device
    echoes = torch.zeros(len(tissues.points), rows, columns, dtype=torch.complex64, device=device)
    step_cm = view.row_mm / 10
    lost = 2 * scanner.frequency * step_cm * tissues.attenuation.cumsum(1)
    row_mm = view.row_mm / OVERSAMPLING
    peaks = (beam.mean(1) * pulse.mean()).tolist()
    for index, points in enumerate(tissues.points):
        for depth, lateral, level in points.tolist():
            row, column = int(depth / row_mm), int(lateral / view.column_mm)
            if not (0 <= row < rows - 2 * MARGIN and 0 <= column < view.columns):
                continue
            loss = lost[index, row // OVERSAMPLING, column]
            echoes[index, row, column + MARGIN] += 10 ** ((level - loss) / 20) / peaks[row]
    return echoes
