"""Is a cache sound, and what does it hold? Bytes per token beside theory."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from capgap.lm.teacher_cache.layout import theory
from capgap.lm.teacher_cache.manifest import Manifest, file_problem, read_manifest
from capgap.storage import full_distribution

__all__ = ["CacheCheck", "CacheStats", "cache_stats", "verify_cache"]


@dataclass(frozen=True)
class CacheCheck:
    """What a check of all files found.

    Attributes
    ----------
    files, bytes : int
        Files checked, and their size.
    shards, planned : int
        Complete shards; shards of the complete cache.
    problems : tuple of str
        One line per file that is missing or damaged, with its name.
    """

    files: int
    bytes: int
    shards: int
    planned: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Complete, and every file as it was written."""
        return not self.problems and self.shards == self.planned


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds, and what it costs.

    Attributes
    ----------
    outputs : str
        Form of the outputs.
    windows, tokens, shards : int
        So far; of a complete cache, all.
    complete : bool
        Whether all planned windows are there.
    bytes_once : int
        Of the head, for "hidden"; 0 otherwise.
    bytes_per_token : float
        Bytes of the shards per token.
    theory_per_token : float
        By `capgap.storage`, with the mean number of tokens kept.
    dense_per_token : float
        All logits in float32: 4 x vocab_size.
    mean_kept : float
        Tokens kept per position (distinct ones for "sampled").
    mean_tail : float
        Mass per position that is not kept token by token.
    mean_entropy : float
        The teacher's, nats per token.
    """

    outputs: str
    windows: int
    tokens: int
    shards: int
    complete: bool
    bytes_once: int
    bytes_per_token: float
    theory_per_token: float
    dense_per_token: float
    mean_kept: float
    mean_tail: float
    mean_entropy: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def verify_cache(folder: Path, progress: Callable[[int, int], None] | None = None) -> CacheCheck:
    """Read every file of a cache and compare its size and SHA-256 with the manifest.

    Parameters
    ----------
    folder : Path
        The cache, complete or not.
    progress : callable or None
        Called with the number of files checked and of all files.

    Raises
    ------
    InputError
        There is no manifest, or it is damaged itself.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    problems = []
    for place, file in enumerate(manifest.files):
        if progress is not None:
            progress(place, len(manifest.files))
        problem = file_problem(folder, file, hashed=True)
        if problem is not None:
            problems.append(problem)
    return CacheCheck(
        files=len(manifest.files),
        bytes=sum(file.size for file in manifest.files),
        shards=len(manifest.shards),
        planned=manifest.planned,
        problems=tuple(problems),
    )


def cache_stats(folder: Path) -> CacheStats:
    """Numbers of a cache, from its manifest; see `CacheStats`.

    Raises
    ------
    InputError
        There is no manifest, or it is damaged.
    """
    manifest = read_manifest(Path(folder))
    spec = manifest.spec
    windows = sum(shard.windows for shard in manifest.shards)
    tokens = windows * spec.sequence_length
    kept = _mean(manifest, "kept", tokens)
    expected = theory(spec.outputs, spec.vocab_size, manifest.d_model, max(kept, 1.0))
    return CacheStats(
        outputs=spec.outputs.label,
        windows=windows,
        tokens=tokens,
        shards=len(manifest.shards),
        complete=manifest.complete,
        bytes_once=0 if manifest.head is None else manifest.head.size,
        bytes_per_token=sum(shard.file.size for shard in manifest.shards) / max(tokens, 1),
        theory_per_token=expected.per_token,
        dense_per_token=full_distribution(spec.vocab_size).per_token,
        mean_kept=kept,
        mean_tail=_mean(manifest, "tail", tokens),
        mean_entropy=_mean(manifest, "entropy", tokens),
    )


def _mean(manifest: Manifest, name: str, tokens: int) -> float:
    return float(sum(getattr(shard, name) for shard in manifest.shards) / max(tokens, 1))
