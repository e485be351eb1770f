"""Images of a folder read one by one, where a file that cannot be decoded must not stop the reader."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from augment.files.decode import UndecodableImage, decode_image
from augment.files.walk import refuse_unreadable

logger = logging.getLogger(__name__)


class WholeImages:
    """Reads the images of a folder by index; the next whole file replaces one that cannot be decoded.

    Such files are counted and named in the log, and above one in a hundred the folder is refused.

    Attributes:
        broken: Indices of the files that could not be decoded so far.
    """

    def __init__(self, root: Path, names: Sequence[str], unread: Sequence[str] = ()) -> None:
        """Take the files.

        Args:
            root: Folder that the names are relative to.
            unread: Other images of the folder that are known to be unreadable; they count as such.
        """
        self._root, self._names, self._unread = root, names, tuple(unread)
        self.broken: set[int] = set()

    def __len__(self) -> int:
        return len(self._names)

    def image(self, index: int, *, at_least: int | None = None) -> tuple[Image.Image, int]:
        """Return the RGB image of an index, or of the next whole file after it, and the index of that one.

        Args:
            at_least: As for `decode_image`.

        Raises:
            ImageFolderError: If more than one image in a hundred cannot be decoded.
            OSError: If a file cannot be read.
        """
        while True:
            try:
                return decode_image(self._root / self._names[index], at_least=at_least), index
            except UndecodableImage as error:
                self._count(index, error)
            index = (index + 1) % len(self._names)

    def _count(self, index: int, error: UndecodableImage) -> None:
        if index in self.broken:
            return
        self.broken.add(index)
        names = [*self._unread, *(self._names[number] for number in sorted(self.broken))]
        refuse_unreadable(self._root, names, len(self._names) + len(self._unread), error.why)
        logger.warning("an image is replaced by the next one: %s", error)
