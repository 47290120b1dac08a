"""The list of what a cache holds, with the hash of every file.

``manifest.json`` is replaced as a whole after each shard, so it never names a file that is
not complete, and carries its own hash.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.lm.config import RunConfig
from capgap.lm.external import ExternalModel
from capgap.lm.teacher_cache.layout import Column, columns
from capgap.lm.teacher_cache.spec import CacheSpec

__all__ = [
    "MANIFEST", "File", "Manifest", "Shard", "file_problem", "read_manifest", "write_manifest",
]  # fmt: skip

MANIFEST = "manifest.json"
FORMAT = "capgap-teacher-cache-1"


@dataclass(frozen=True)
class File:
    """A file of the cache: name, size in bytes, SHA-256."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> "File":
        """Of these bytes."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Shard:
    """Outputs of consecutive windows.

    Attributes
    ----------
    file : File
        Where they lie.
    windows : int
        How many.
    kept : int
        Tokens kept at all its positions together; the length of joined rows.
    tail, entropy : float
        Sums over positions of the mass left out and of the teacher's entropy (nats).
    """

    file: File
    windows: int
    kept: int
    tail: float
    entropy: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A cache: what it is of, how it is cut, and its files.

    Attributes
    ----------
    spec : CacheSpec
        What it is of.
    windows_per_shard : int
        In every shard but the last.
    d_model : int or None
        Width of the states, of "hidden".
    head : File or None
        The output layer, of "hidden".
    about : mapping
        Told, not compared: "teacher", its configuration; "L_T", its validation loss in nats
        per token; versions.
    shards : tuple of Shard
        Those that are complete, from the first window on.
    """

    spec: CacheSpec
    windows_per_shard: int
    d_model: int | None = None
    head: File | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    shards: tuple[Shard, ...] = ()

    @property
    def layout(self) -> tuple[Column, ...]:
        """Columns of each shard."""
        return columns(self.spec.outputs, self.spec.vocab_size, self.d_model)

    @property
    def planned(self) -> int:
        """Shards of the complete cache."""
        return -(-self.spec.windows // self.windows_per_shard)

    @property
    def complete(self) -> bool:
        """Whether all shards are there."""
        return len(self.shards) == self.planned

    @property
    def files(self) -> tuple[File, ...]:
        """All files but the manifest."""
        head = () if self.head is None else (self.head,)
        return (*head, *(shard.file for shard in self.shards))

    def windows_of(self, shard: int) -> range:
        """Numbers of the windows of a shard."""
        start = shard * self.windows_per_shard
        return range(start, min(start + self.windows_per_shard, self.spec.windows))

    def with_shard(self, shard: Shard) -> "Manifest":
        """The manifest after one more shard."""
        return replace(self, shards=(*self.shards, shard))

    def run_settings(self) -> dict[str, Any]:
        """Settings of a `RunConfig` that reads this cache.

        Raises
        ------
        InputError
            The teacher's configuration was not kept with the cache.
        """
        known = self.about.get("teacher")
        if not isinstance(known, dict):
            raise InputError("cache: it does not say how its teacher was made")
        external = "sha256" in known
        teacher = ExternalModel(**known) if external else RunConfig.from_dict(known)
        return {
            "teacher": teacher,
            "teacher_outputs": self.spec.outputs,
            "corpus": self.spec.corpus,
            "half": self.spec.half,
            "sequence_length": self.spec.sequence_length,
            "vocab_size": self.spec.vocab_size,
            "data_seed": self.spec.order_seed,
            "precision": self.spec.precision,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without hash."""
        values = {**asdict(self), "spec": self.spec.to_dict(), "about": dict(self.about)}
        return {"format": FORMAT, **values, "shards": [asdict(shard) for shard in self.shards]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Manifest":
        """Inverse of `to_dict`; InputError where it is not one."""
        values = dict(values)
        if values.pop("format", None) != FORMAT:
            raise InputError(f"its format is not {FORMAT}")
        try:
            shards = tuple(
                Shard(**{**shard, "file": File(**shard["file"])}) for shard in values["shards"]
            )
            head = None if values["head"] is None else File(**values["head"])
            spec = CacheSpec.from_dict(values["spec"])
            return cls(**{**values, "spec": spec, "head": head, "shards": shards})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a complete manifest ({error})") from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder."""
    values = manifest.to_dict()
    sealed = {**values, "sha256": _seal(values)}
    write_atomically(folder / MANIFEST, (json.dumps(sealed, indent=1) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises
    ------
    InputError
        There is none, or it is not as it was written; the message names the file.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"cache: {folder} holds no cache ({MANIFEST} is missing)") from None
    except OSError as error:
        raise InputError(f"cache: cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"cache: {path} is damaged: not JSON") from None
    if not isinstance(values, dict) or values.pop("sha256", None) != _seal(values):
        raise InputError(f"cache: {path} is damaged: its hash does not fit its content")
    try:
        return Manifest.from_dict(values)
    except InputError as error:
        raise InputError(f"cache: {path}: {error}") from None


def file_problem(folder: Path, file: File, *, hashed: bool) -> str | None:
    """What is wrong with a file of a cache, with its name; None if nothing is."""
    path = folder / file.name
    try:
        size = path.stat().st_size
        if size != file.size:
            return f"{path} is damaged: {size} bytes, must be {file.size}"
        if hashed:
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                    return f"{path} is damaged: its SHA-256 is not the recorded one"
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    return None


def _seal(values: dict[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
