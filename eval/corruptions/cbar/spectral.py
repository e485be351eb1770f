"""Noise of C-bar that is made in the frequency domain: blue noise that samples the image, and brownish noise."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from augment.heavy import scipy
from eval.corruptions.contract import Setting, corruption, each
from eval.corruptions.fields import uniform_fields
from eval.corruptions.levels import truncated

Spectrum = Literal["blue", "brownish"]


@functools.lru_cache(maxsize=16)
def amplitudes(spectrum: Spectrum, height: int, width: int) -> NDArray[np.float64]:
    """Return the amplitude per frequency, (H, W), the centre of the spectrum in the middle.

    Blue noise grows with the distance d from the centre; brownish noise falls as 1 / (d^2 + 1).
    """
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return np.asarray(distance if spectrum == "blue" else 1 / (distance**2 + 1))


def coloured_noise(phases: NDArray[np.float64], spectrum: Spectrum) -> NDArray[np.float64]:
    """Return a noise field of unit deviation, (H, W), from phases in radians.

    The second half of the phases mirrors the first half through the centre, and the real part of the inverse transform is kept.
    """
    height, width = phases.shape
    flat, half = phases.reshape(-1).copy(), phases.size // 2
    flat[phases.size - half :] = flat[:half][::-1]
    if phases.size % 2:
        flat[half] = 0.0
    waves = amplitudes(spectrum, height, width) * np.exp(1j * flat.reshape(height, width))
    noise = np.real(scipy.fft.ifft2(np.roll(waves, (height // 2, width // 2), axis=(0, 1))))
    return np.asarray(noise / noise.std())


@corruption(
    group="noise",
    semantics=1,
    parameters={32: each(0.7, 1.4, 2.1, 3.5, 4.2), 224: each(0.8, 1.6, 2.4, 4.0, 5.6)},
    is_thresholded=True,
)
def blue_noise_sample(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Keep the pixels where blue noise exceeds 0.3 v - 2.5; the others become black."""
    height, width = images.shape[1:3]
    phases = 2 * np.pi * uniform_fields(setting.draws, "phases", height, width)
    noise = np.stack([coloured_noise(one, "blue") for one in phases]) if len(phases) else phases
    kept = noise > setting.parameters[0] * 0.3 - 2.5
    return np.asarray(images * kept[..., None], dtype=np.uint8)


@corruption(group="noise", semantics=1, parameters={32: each(2.5, 4, 5.5, 6.5, 7), 224: each(1, 2, 3, 4, 5)})
def brownish_noise(images: NDArray[np.uint8], setting: Setting) -> NDArray[np.uint8]:
    """Add smooth noise with a deviation of 6.4 v levels, independent per channel."""
    height, width, channels = images.shape[1:]
    phases = 2 * np.pi * uniform_fields(setting.draws, "phases", channels, height, width)
    noise = [np.stack([coloured_noise(plane, "brownish") for plane in planes], axis=2) for planes in phases]
    return truncated(images + setting.parameters[0] * 6.4 * np.stack(noise))
