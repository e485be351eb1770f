"""StyleGAN (oriented): images of untrained StyleGAN2 generators whose convolutions are oriented wavelets.

Baradad et al., "Learning to See by Looking at Noise" (NeurIPS 2021), and mbaradad/learning_with_noise, stylegan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from augment.mixing_sets.mixing_set import MixingSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.mixing_sets.source import SetRequest
    from augment.mixing_sets.stylegan.network import OrientedGenerator


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGanConfig:
    """The generators.

    Attributes:
        resolution: Side that images are rendered at, a power of two; the stored image is its reduction.
        max_channels: Channels of the wide layers; the published generators have 512 (16 times the work or more).
        pictures_per_network: Images after which weights are drawn anew.
    """

    resolution: int = 256
    max_channels: int = 32
    pictures_per_network: int = 400

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two from 8 on, but got {self.resolution}")
        if not 1 <= self.max_channels <= 512 or self.pictures_per_network < 1:
            raise ValueError(
                "max_channels must be between 1 and 512 and pictures_per_network at least 1, "
                f"but got {self.max_channels} and {self.pictures_per_network}"
            )


class StyleGanSource:
    """Renders by index, one image at a time."""

    chunk = 32
    is_threaded = False

    def __init__(self, config: StyleGanConfig, request: SetRequest) -> None:
        self._config, self._request = config, request
        self._network: tuple[int, OrientedGenerator] | None = None

    def render(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of the indices, (N, S, S, C) uint8."""
        import numpy as np

        from augment.mixing_sets.decode import resize_image, to_channels

        size = self._request.image_size
        rgb = np.empty((len(indices), size, size, 3), np.uint8)
        for image, index in zip(rgb, indices, strict=True):
            network = self._network_of(int(index) // self._config.pictures_per_network)
            image[:] = resize_image(network.draw_image(self._request.seed, int(index)), size)
        return to_channels(rgb, self._request.num_channels)

    def _network_of(self, number: int) -> OrientedGenerator:
        from augment.mixing_sets.stylegan.network import OrientedGenerator

        if self._network is None or self._network[0] != number:
            network = OrientedGenerator(
                self._request.seed, number, resolution=self._config.resolution, max_channels=self._config.max_channels
            )
            self._network = (number, network)
        return self._network[1]


def build_stylegan(config: StyleGanConfig, request: SetRequest) -> StyleGanSource:
    """Return the source of the set "stylegan-oriented"."""
    return StyleGanSource(config, request)


ENTRIES: Final = (
    MixingSet(
        name="stylegan-oriented",
        title="StyleGAN (Oriented)",
        semantics=1,
        config=StyleGanConfig,
        origin="procedural",
        num_pictures=14_230,
        build=build_stylegan,
        what="Images of untrained StyleGAN2 generators with oriented kernels, 32 channels wide instead of 512.",
        source="Baradad et al. (NeurIPS 2021); mbaradad/learning_with_noise, stylegan",
    ),
)
