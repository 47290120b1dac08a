"""Memory of the process: how the C library hands it out, and how much was taken at most."""

import ctypes
import sys
from pathlib import Path

__all__ = ["keep_freed_memory", "peak_resident_bytes", "restart_peak"]

# Parameters of mallopt in glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process, so that a training step meets no page faults.

    glibc returns large freed blocks to the system, which zeroes them again, page by page, when
    the next operation allocates: measured, up to 20% of a small model's step. Changes no
    result. Call it once, before training; the peak of memory stays the same, but what is
    freed is no longer given back to other programs.

    Returns
    -------
    bool
        Whether the C library took it: glibc does; others return False and work as before.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP_THRESHOLD, 2**30), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**26))
    taken = [mallopt(name, value) == 1 for name, value in settings]  # all are set
    return all(taken)


def restart_peak() -> bool:
    """Count the peak of resident memory from now on; False where the system cannot (not Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_resident_bytes() -> int:
    """Most memory that the process held since it began, or since `restart_peak`."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource  # there is none on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
