"""A steerable pyramid in the Fourier domain: high-pass residual, oriented bands at falling resolutions, low-pass residual.

The filters are those of Simoncelli and Freeman (ICIP 1995): raised cosines of one octave in log frequency, powers of a cosine in
angle. Their squares sum to one, so building and collapsing give the image back. As in the published code, bands of a scale are
four times as large as those of the scale before (spectra are cropped without rescaling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Level:
    """Masks of one scale at its own side: what it passes on, and its oriented bands (with their phase factor)."""

    low: NDArray[np.float64]
    bands: tuple[NDArray[np.complex128], ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """All masks of a pyramid."""

    high: NDArray[np.float64]
    low: NDArray[np.float64]
    levels: tuple[Level, ...]


def _polar(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log2 of the radius (Nyquist of the side at 0) and the angle of every frequency, in fftshift order."""
    line = (np.arange(side) - side // 2) / (side / 2)
    radius = np.hypot(line[:, None], line[None, :])
    radius[side // 2, side // 2] = radius[side // 2, side // 2 - 1]
    return np.log2(radius), np.arctan2(line[:, None], line[None, :])


def _rising(log_radius: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    """Return the amplitude of a high pass: 0 an octave below the edge, 1 at the edge, a quarter cosine between."""
    return np.sin(0.5 * np.pi * np.clip(log_radius - edge + 1.0, 0.0, 1.0))


@cache
def filters(side: int, scales: int, orientations: int) -> Filters:
    """Return the masks for images of a side (a multiple of 2**scales)."""
    log_radius, _ = _polar(side)
    high = _rising(log_radius, 0.0)
    levels = []
    for scale in range(scales):
        level_radius, angle = _polar(side >> scale)
        band_high = _rising(level_radius, -1.0)
        oriented = tuple(band_high * _angular(angle, k, orientations) for k in range(orientations))
        levels.append(Level(low=np.sqrt(1.0 - band_high**2), bands=oriented))
    return Filters(high=high, low=np.sqrt(1.0 - high**2), levels=tuple(levels))


def _angular(angle: NDArray[np.float64], number: int, orientations: int) -> NDArray[np.complex128]:
    order = orientations - 1
    scale = 2.0**order * math.factorial(order) / math.sqrt(orientations * math.factorial(2 * order))
    wave: NDArray[np.complex128] = (-1j) ** order * scale * np.cos(angle - np.pi * number / orientations) ** order
    return wave


def build(image: NDArray[np.float64], given: Filters) -> tuple[list[NDArray[np.float64]], NDArray[np.complex128]]:
    """Return the bands (high-pass residual first, then by scale and orientation) and the spectrum of the low-pass residual."""
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    bands = [_inverse(spectrum * given.high)]
    spectrum = spectrum * given.low
    for level in given.levels:
        bands += [_inverse(spectrum * mask) for mask in level.bands]
        spectrum = _halve(spectrum * level.low)
    return bands, spectrum


def collapse(bands: list[NDArray[np.float64]], low: NDArray[np.complex128], given: Filters) -> NDArray[np.float64]:
    """Return the image of bands and a low-pass residual as `build` gives them."""
    num, spectrum = len(given.levels[0].bands), low
    for number in range(len(given.levels) - 1, -1, -1):
        level = given.levels[number]
        spectrum = _double(spectrum) * level.low
        for k, mask in enumerate(level.bands):
            spectrum = spectrum + np.fft.fftshift(np.fft.fft2(bands[1 + number * num + k])) * np.conj(mask)
    spectrum = spectrum * given.low + np.fft.fftshift(np.fft.fft2(bands[0])) * given.high
    return _inverse(spectrum)


def _inverse(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    image: NDArray[np.float64] = np.fft.ifft2(np.fft.ifftshift(spectrum)).real
    return image


def _halve(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Keep the middle half of the frequencies, unscaled: pixels of the smaller image are four times as large."""
    quarter = spectrum.shape[0] // 4
    return spectrum[quarter:-quarter, quarter:-quarter]


def _double(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    quarter = spectrum.shape[0] // 2
    return np.pad(spectrum, quarter)
