"""The three models of Spectrum + Color + WMM, and the turns in which noise is made to follow them.

All are drawn once per image: a power-law spectrum, a palette with its decorrelating axes, and the marginals of a steerable
pyramid's bands. The order of the turns matters (authors' comment): spectrum, wavelets, colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from augment.kernels.counters import SampleKeys, normals, uniforms
from augment.mixing_sets.procedural.spectrum.steerable import Filters, build, collapse, filters

GRID: Final = np.arange(-200.0, 200.5, 0.5)
MAX_COLOURS: Final = 23


@dataclass(frozen=True, slots=True)
class ColourModel:
    """A palette in its own decorrelated axes.

    Attributes:
        values: Sorted values of each decorrelated channel, (3, pixels).
        axes: Eigenvectors of the colours' covariance in columns, (3, 3).
        mean: Mean colour, (3,).
    """

    values: NDArray[np.float64]
    axes: NDArray[np.float64]
    mean: NDArray[np.float64]


def render_spectrum(
    seed: int, index: int, *, side: int, scales: int, iterations: int, orientations: int
) -> NDArray[np.uint8]:
    """Return one image, (side, side, 3) uint8."""
    keys = SampleKeys(seed, 0, np.array([index], dtype=np.int64))
    image = 256.0 * uniforms(keys, 3 * side * side, stream="spectrum/noise").reshape(3, side, side)
    magnitude = draw_magnitude(keys, side)
    colours = draw_colours(keys, side)
    given = filters(side, scales, orientations)
    marginals = draw_marginals(keys, side, scales, orientations)
    for _ in range(iterations):
        for channel in range(3):
            plane = impose_spectrum(image[channel], magnitude)
            plane = impose_wavelets(plane, given, marginals[channel])
            image[channel] = match_sorted(plane, colours.values[channel])
    mixed = np.tensordot(colours.axes, image, axes=(1, 0)) + colours.mean[:, None, None]
    stretched = (mixed - mixed.min()) / max(float(mixed.max() - mixed.min()), 1e-9)
    return np.ascontiguousarray(np.round(255.0 * stretched).astype(np.uint8).transpose(1, 2, 0))


def draw_magnitude(keys: SampleKeys, side: int) -> NDArray[np.float64]:
    """Return 1 / (eps + |fx / n|**(s + d) + |fy / n|**(s - d)) without its constant term, (side, side); s ~ U(.5, 3.5)."""
    slope = 0.5 + 3.0 * float(uniforms(keys, 1, stream="spectrum/slope")[0, 0])
    tilt = 0.05 * float(normals(keys, 1, stream="spectrum/tilt")[0, 0])
    line = np.abs(np.fft.fftfreq(side))
    magnitude: NDArray[np.float64] = 1.0 / (1e-9 + line[None, :] ** (slope + tilt) + line[:, None] ** (slope - tilt))
    magnitude[0, 0] = 0.0
    return magnitude


def impose_spectrum(plane: NDArray[np.float64], magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a plane with its phases, a given magnitude, and its own mean and standard deviation."""
    spectrum = np.fft.fft2(plane)
    shaped = np.fft.ifft2(np.exp(1j * np.angle(spectrum)) * magnitude).real
    return _with_moments(shaped, plane.mean(), plane.std())


def draw_colours(keys: SampleKeys, side: int) -> ColourModel:
    """Draw 3 to 22 colours in random proportions, blurred where they meet, and decorrelate them."""
    u = uniforms(keys, 3 + 4 * MAX_COLOURS, stream="spectrum/colours")[0]
    num = 3 + int(20 * u[0])
    proportions = 0.001 + u[3 : 3 + num]
    bounds = np.cumsum(proportions / proportions.sum())
    draws = uniforms(keys, side * side, stream="spectrum/proportions")[0]
    labels = np.minimum(np.searchsorted(bounds, np.sort(draws)), num - 1)  # sorted: stripes
    palette = 255.0 * u[3 + MAX_COLOURS :].reshape(MAX_COLOURS, 3)
    stripes = palette[labels].reshape(side, side, 3)
    blur = max(1, math.ceil(10 * u[1]))
    blurred = scipy.ndimage.uniform_filter(stripes, size=(blur, blur, 1), mode="nearest")
    noise = uniforms(keys, 3 * side * side, stream="spectrum/colour-noise").reshape(side, side, 3)
    pixels = (blurred + 10.0 * noise).reshape(-1, 3)
    pixels = 255.0 * (pixels - pixels.min()) / max(float(pixels.max() - pixels.min()), 1e-9)
    mean = pixels.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((pixels - mean).T))
    return ColourModel(values=np.sort((pixels - mean) @ axes, axis=0).T.copy(), axes=axes, mean=mean)


def draw_marginals(keys: SampleKeys, side: int, scales: int, orientations: int) -> list[list[NDArray[np.float64]]]:
    """Return, per channel, each band's sorted target values: quantiles of exp(-|x / s|**r) with s = 4**(side / band side).

    The density is on -200..200 in steps of 0.5; r ~ U(.4, .8); the low-pass residual has no target.
    """
    sides = [side] + [side >> scale for scale in range(scales) for _ in range(orientations)]
    exponents = 0.4 + 0.4 * uniforms(keys, 3 * len(sides), stream="spectrum/marginals").reshape(3, -1)
    return [
        [_quantiles(band, 4.0 ** (side / band), r) for band, r in zip(sides, row, strict=True)] for row in exponents
    ]


def _quantiles(band_side: int, scale: float, exponent: float) -> NDArray[np.float64]:
    density = np.exp(-(np.abs(GRID / scale) ** exponent))
    cumulative = np.cumsum(density)
    count = band_side * band_side
    values: NDArray[np.float64] = np.interp((np.arange(count) + 0.5) / count, cumulative / cumulative[-1], GRID)
    return values


def impose_wavelets(
    plane: NDArray[np.float64], given: Filters, targets: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return a plane whose bands have the targets' values in the order of their own."""
    bands, low = build(plane, given)
    matched = [match_sorted(band, target) for band, target in zip(bands, targets, strict=True)]
    return collapse(matched, low, given)


def match_sorted(plane: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a plane whose smallest pixel is the smallest value, and so on: exact histogram matching."""
    out = np.empty(plane.size)
    out[np.argsort(plane, axis=None, kind="stable")] = values
    return out.reshape(plane.shape)


def _with_moments(plane: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = (plane - plane.mean()) / max(float(plane.std()), 1e-12) * std + mean
    return scaled
