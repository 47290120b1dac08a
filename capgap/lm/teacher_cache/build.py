"""Writing a cache: shard by shard, so that a kill loses at most the shard in work."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.lm.batches import Batches
from capgap.lm.teacher_cache.codec import Sums, encode
from capgap.lm.teacher_cache.layout import Columns, pack, shard_windows
from capgap.lm.teacher_cache.lock import only_builder
from capgap.lm.teacher_cache.manifest import (
    MANIFEST,
    File,
    Manifest,
    Shard,
    file_problem,
    read_manifest,
    write_manifest,
)
from capgap.lm.teacher_cache.spec import CacheSpec

__all__ = ["HEAD", "build_cache"]

HEAD = "head.safetensors"
# Logits in memory at a time.
GROUP_NUMBERS = 2**22


def build_cache(
    folder: Path,
    spec: CacheSpec,
    teacher: nn.Module,
    batches: Batches,
    *,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
    about: Mapping[str, Any] | None = None,
    windows_per_shard: int | None = None,
    wait: bool = False,
) -> Manifest:
    """Run the teacher over all windows of `spec` and keep its outputs.

    A shard appears under its name when it is complete, and in the manifest after that. Called
    again after an interruption at any moment it goes on after the last shard of the manifest
    and ends with the same bytes as an undisturbed build on the same machine. Files that have
    gone missing or lost their end are made again, with all that follow; a file of the right
    size that `verify_cache` finds damaged is made again once it is removed.

    Parameters
    ----------
    folder : Path
        Where; made if need be.
    spec : CacheSpec
        What.
    teacher : nn.Module
        Maps tokens (windows, time) to logits (windows, time, vocab_size); for "hidden" it has
        `hidden(tokens)` and a linear layer `head` without bias.
    batches : Batches
        The text in the order of `spec`; its batch size plays no role.
    device : torch.device
        Where the teacher runs.
    progress : callable or None
        Called with the number of windows done and of all windows.
    about : mapping or None
        JSON values to keep with the cache, such as the teacher's configuration.
    windows_per_shard : int or None
        None: as many as make about 64 MiB.
    wait : bool
        Wait for another process that builds in this folder, instead of refusing.

    Returns
    -------
    Manifest
        Of the complete cache.

    Raises
    ------
    InputError
        The folder holds another cache (the field that differs is named), the batches are of
        another order or length, or the teacher's outputs are not finite or of another shape.
    CapgapError
        Another process builds in this folder, or the disk is full.
    """
    _check(spec, teacher, batches)
    folder = Path(folder)
    teacher = teacher.to(device).eval()
    with only_builder(folder, wait):
        manifest = _started(folder, spec, teacher, about or {}, windows_per_shard)
        first = len(manifest.shards)
        for number in range(first, manifest.planned):
            windows = manifest.windows_of(number)
            if progress is not None:
                progress(windows.start, spec.windows)
            data, sums = _shard(manifest, teacher, batches, windows, device, progress)
            name = f"shard-{number:06d}.bin"
            write_atomically(folder / name, data)
            shard = Shard(File.of(name, data), len(windows), **asdict(sums))
            manifest = manifest.with_shard(shard)
            write_manifest(folder, manifest)
    if progress is not None:
        progress(spec.windows, spec.windows)
    return manifest


def _check(spec: CacheSpec, teacher: nn.Module, batches: Batches) -> None:
    for name, own in (("sequence_length", batches.sequence_length), ("order_seed", batches.seed)):
        if getattr(spec, name) != own:
            raise InputError(
                f"cache: {name} of the batches is {own}, must be {getattr(spec, name)}"
            )
    if spec.outputs.kind == "hidden":
        _head(teacher)


def _head(teacher: nn.Module) -> nn.Linear:
    """The output layer, if it alone makes logits of hidden states."""
    head = getattr(teacher, "head", None)
    if not callable(getattr(teacher, "hidden", None)) or not isinstance(head, nn.Linear):
        raise InputError("cache: hidden outputs need a teacher with hidden(tokens) and a head")
    if head.bias is not None:
        raise InputError("cache: hidden outputs need a head without bias")
    return head


def _started(
    folder: Path,
    spec: CacheSpec,
    teacher: nn.Module,
    about: Mapping[str, Any],
    windows_per_shard: int | None,
) -> Manifest:
    """The manifest to go on with: the one that is there, if it is of the same cache."""
    if (folder / MANIFEST).exists():
        there = read_manifest(folder)
        _check_same(folder, there, spec)
        return _intact(folder, there, teacher)
    hidden = spec.outputs.kind == "hidden"
    d_model = _head(teacher).in_features if hidden else None
    planned = shard_windows(spec.outputs, spec.vocab_size, d_model, spec.sequence_length)
    manifest = Manifest(
        spec=spec,
        windows_per_shard=windows_per_shard or planned,
        d_model=d_model,
        head=_write_head(folder, teacher) if hidden else None,
        about=dict(about),
    )
    write_manifest(folder, manifest)
    return manifest


def _intact(folder: Path, there: Manifest, teacher: nn.Module) -> Manifest:
    """The manifest up to the first shard whose file is not there as a whole."""
    if there.head is not None and file_problem(folder, there.head, hashed=False) is not None:
        _write_head(folder, teacher)
    whole = takewhile(
        lambda shard: file_problem(folder, shard.file, hashed=False) is None, there.shards
    )
    return replace(there, shards=tuple(whole))


def _check_same(folder: Path, there: Manifest, spec: CacheSpec) -> None:
    own, asked = there.spec.to_dict(), spec.to_dict()
    for name, value in asked.items():
        if own[name] != value:
            raise InputError(
                f"cache: {folder} holds another cache: its {name} is {own[name]!r}, not {value!r};"
                " choose another folder"
            )


def _write_head(folder: Path, teacher: nn.Module) -> File:
    tensor = _head(teacher).weight.detach().float().cpu().contiguous()
    data = safetensors.torch.save({"head": tensor})
    write_atomically(folder / HEAD, data)
    return File.of(HEAD, data)


def _shard(
    manifest: Manifest,
    teacher: nn.Module,
    batches: Batches,
    windows: range,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> tuple[bytes, Sums]:
    """Bytes of a shard. Groups of windows start with the shard, so that they, and with them the
    rounding of matrix products, do not depend on where a build was interrupted."""
    spec, layout = manifest.spec, manifest.layout
    size = max(1, GROUP_NUMBERS // (spec.sequence_length * spec.vocab_size))
    parts: list[Columns] = []
    total = Sums()
    for start in range(windows.start, windows.stop, size):
        count = min(size, windows.stop - start)
        tokens = torch.from_numpy(batches.rows(start, count)[:, :-1]).to(device)
        logits, states = _outputs(manifest, teacher, tokens)
        _check_logits(logits, spec, start)
        arrays, sums = encode(spec.outputs, logits, states, start, spec.sequence_length)
        parts.append({c.name: arrays[c.name].astype(c.dtype) for c in layout})
        total = total + sums
        if progress is not None:
            progress(start + count, spec.windows)
    joined = {c.name: np.concatenate([part[c.name] for part in parts]) for c in layout}
    return pack(joined, layout), total


@torch.no_grad()
def _outputs(
    manifest: Manifest, teacher: nn.Module, tokens: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Logits (tokens, vocab_size), and the head's input if it is to be kept."""
    half = manifest.spec.precision == "bfloat16"
    with torch.autocast(tokens.device.type, torch.bfloat16, half):
        if manifest.spec.outputs.kind != "hidden":
            logits: Tensor = teacher(tokens)
            return logits.flatten(0, 1), None
        states: Tensor = teacher.hidden(tokens).flatten(0, 1)  # type: ignore[operator]
        return _head(teacher)(states), states


def _check_logits(logits: Tensor, spec: CacheSpec, first: int) -> None:
    if logits.shape[1] != spec.vocab_size:
        raise InputError(
            f"cache: the teacher's vocabulary has {logits.shape[1]} tokens, must have"
            f" {spec.vocab_size}"
        )
    # -inf is a probability of 0; NaN, inf, or nothing but -inf is no distribution.
    if not bool(logits.float().logsumexp(-1).isfinite().all()):
        raise InputError(f"cache: the teacher's outputs from window {first} on are not finite")
