"""Errors of image folders as errors of data, which is what a job's failure is sorted by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from augment.files.walk import ImageFolderError, NoImagesError
from trainers.errors import CorruptData, MissingData


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Raise what the body says against an image folder as `MissingData` or `CorruptData`."""
    try:
        yield
    except NoImagesError as error:
        raise MissingData(str(error)) from error
    except ImageFolderError as error:
        raise CorruptData(str(error)) from error
    except FileNotFoundError as error:
        raise MissingData(f"{error.filename} was listed but is not there; restore it, or start again") from error
    except PermissionError as error:
        raise CorruptData(f"{error.filename} must be readable, but is not: {error.strerror}; make it so") from error
