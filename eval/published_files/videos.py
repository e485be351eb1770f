"""Published files that are videos: ImageNet-P, one H.264 file per sequence. Needs OpenCV or PyAV, which are no dependencies."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment.files.walk import ImageFolderError, walk_videos
from eval.perturbations.p.registry import num_frames, sequence_stem
from eval.published_files.layout import images_per_set
from eval.published_files.sets import PublishedFilesError, PublishedSet, need_folder

Decoder = Callable[[Path], NDArray[np.uint8]]
"""Reads a video as (T, H, W, 3) uint8 RGB."""


def video_perturbations(
    folder: Path, classes: Sequence[str], *, kinds: Sequence[str], difficulty: int = 1, decoder: Decoder | None = None
) -> list[PublishedSet]:
    """Return the sequences of ImageNet-P, one set per perturbation, from `<kind>/<class>/*.mp4`.

    Args:
        classes: Folder names (wnids) in the order of the network's classes.
        difficulty: Level of the noises, 1 to 3; levels 2 and 3 are in `<kind>_2` and `<kind>_3`.
        decoder: Reads a video; None takes OpenCV or PyAV.

    Raises:
        PublishedFilesError: If folders or sequences are missing, or no decoder is installed.
    """
    need_folder(folder, "perturbed images")
    read = decoder or installed_decoder()
    size = images_per_set(folder)
    sets = []
    for kind in kinds:
        stem = sequence_stem(kind, difficulty)
        need_folder(folder / stem, f"sequences of {stem}")
        paths, labels = [], []
        for label, name in enumerate(classes):
            files = [folder / stem / name / each for each in _videos(folder / stem / name)]
            paths += files
            labels += [label] * len(files)
        if not paths or (size is not None and len(paths) != size):
            raise PublishedFilesError(
                f"'{folder / stem}' must contain {size or 'some'} sequences, but contains {len(paths)}"
            )
        frames = num_frames(kind, 224)
        fields = {"perturbation": kind, "difficulty": difficulty}
        load = _whole(paths, frames, read)
        sets.append(PublishedSet(fields=fields, labels=np.asarray(labels, dtype=np.int64), load=load, frames=frames))
    return sets


def _videos(folder: Path) -> tuple[str, ...]:
    try:
        return walk_videos(folder) if folder.is_dir() else ()
    except ImageFolderError as error:
        raise PublishedFilesError(str(error)) from error


def installed_decoder() -> Decoder:
    """Return a decoder of an installed library."""
    if importlib.util.find_spec("cv2"):
        return _read_with_opencv
    if importlib.util.find_spec("av"):
        return _read_with_pyav
    raise PublishedFilesError(
        "ImageNet-P is stored as H.264 videos, and no library that reads them is installed; install opencv-python-headless or "
        "av, or use the generated sequences (benchmark 'p-generated')"
    )


def _whole(paths: list[Path], frames: int, read: Decoder) -> Callable[[int, int], NDArray[np.uint8]]:
    def load(start: int, stop: int) -> NDArray[np.uint8]:
        sequences = []
        for path in paths[start:stop]:
            sequence = read(path)
            if len(sequence) != frames:
                raise PublishedFilesError(
                    f"'{path}' must contain {frames} frames, but contains {len(sequence)}; unpack it again"
                )
            sequences.append(sequence)
        return np.stack(sequences)

    return load


def _read_with_opencv(path: Path) -> NDArray[np.uint8]:
    cv2 = importlib.import_module("cv2")
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        is_read, frame = video.read()
        if not is_read:
            break
        frames.append(frame[:, :, ::-1])
    video.release()
    return np.asarray(frames, dtype=np.uint8)


def _read_with_pyav(path: Path) -> NDArray[np.uint8]:
    av = importlib.import_module("av")
    with av.open(str(path)) as video:
        return np.asarray([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)], dtype=np.uint8)
