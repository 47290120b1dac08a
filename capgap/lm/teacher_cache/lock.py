"""One builder per folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capgap.errors import CapgapError

__all__ = ["only_builder"]

LOCK = ".build.lock"


@contextmanager
def only_builder(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold the folder for building; the system lets go of it when the process ends or is killed.

    Files that a killed builder left half-written are removed. Where there are no such locks
    (Windows, some network disks), two builders write the same bytes twice, each file as a whole.

    Parameters
    ----------
    folder : Path
        Made if need be.
    wait : bool
        Wait for another builder to end, instead of refusing.

    Raises
    ------
    CapgapError
        Another process builds in this folder.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise CapgapError(f"cache: another process is building in {folder}") from None
        except OSError:  # a file system without locks
            yield
            return
        for part in folder.glob(".*.part"):
            part.unlink()
        yield
