"""Files that appear under their name only when they are complete."""

import os
from pathlib import Path

from capgap.errors import CapgapError

__all__ = ["write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder, flush it to the disk, rename it.

    A process killed at any moment leaves either the old file or the new one under `path`
    (and perhaps a hidden ``.part`` file, which readers ignore).

    Raises
    ------
    CapgapError
        The disk is full or the folder cannot be written; an older file stays as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CapgapError(f"write: cannot write {path}: {error.strerror}") from None
