"""Reading a cache: mapped into memory, every file checked before its first use."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.losses.targets import HiddenTarget
from capgap.lm.teacher_cache.codec import Target, decode
from capgap.lm.teacher_cache.layout import Columns, unpack
from capgap.lm.teacher_cache.manifest import File, Manifest, file_problem, read_manifest
from capgap.lm.teacher_cache.spec import CacheSpec

__all__ = ["TeacherCache"]

# Shards mapped at a time; a student visits them one after the other.
MAPPED = 4


class TeacherCache:
    """An open cache. Several processes may read the same one.

    Made by `open`. The size of every file is checked when the cache is opened, its SHA-256
    when it is first used in a process.

    Parameters
    ----------
    folder : Path
        Where it lies.
    manifest : Manifest
        Its content.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._mapped: OrderedDict[int, _MappedShard] = OrderedDict()
        self._verified: set[str] = set()
        self._head: Tensor | None = None

    @classmethod
    def open(cls, folder: Path, expect: CacheSpec | None = None) -> "TeacherCache":
        """Open a complete cache.

        Parameters
        ----------
        folder : Path
            Where it lies.
        expect : CacheSpec or None
            What a run needs (`cache_spec`); a cache of more windows serves it.

        Raises
        ------
        InputError
            There is no cache, it is incomplete, a file is missing or truncated (it is named),
            or it does not serve what is expected (the field is named).
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        misfit = None if expect is None else manifest.spec.misfit(expect)
        if misfit is not None:
            raise InputError(f"cache: {folder} does not serve this run: {misfit}")
        if not manifest.complete:
            raise InputError(
                f"cache: {folder} is incomplete ({len(manifest.shards)} of {manifest.planned}"
                " shards); build it again to go on"
            )
        for file in manifest.files:
            problem = file_problem(folder, file, hashed=False)
            if problem is not None:
                raise InputError(f"cache: {problem}")
        return cls(folder, manifest)

    @property
    def spec(self) -> CacheSpec:
        """What the cache is of."""
        return self.manifest.spec

    def targets(self, first_window: int, count: int, device: torch.device | str = "cpu") -> Target:
        """Targets of windows `first_window` to `first_window` + `count` - 1.

        Parameters
        ----------
        first_window, count : int
            In the order of visiting; of a run's step s: s x batch_size, batch_size.
        device : torch.device or str
            Where the tensors are wanted.

        Returns
        -------
        Tensor, SparseTarget, SampledTarget or HiddenTarget
            Of count x sequence_length positions, window by window. "full" gives
            log-probabilities, which stand for logits.

        Raises
        ------
        InputError
            Windows that are not there, or a shard that is damaged (it is named).
        """
        if count < 1 or first_window < 0 or first_window + count > self.spec.windows:
            raise InputError(
                f"cache: windows {first_window} to {first_window + count - 1} are not among the"
                f" {self.spec.windows} of {self.folder}"
            )
        target = decode(self.spec.outputs, self._columns(first_window, count), torch.device(device))
        if self.spec.outputs.kind == "hidden":
            assert isinstance(target, Tensor)
            return HiddenTarget(target, self._head_on(target.device))
        return target

    def _columns(self, first: int, count: int) -> Columns:
        size = self.manifest.windows_per_shard
        parts = []
        while count:
            shard, start = divmod(first, size)
            here = min(count, size - start)
            parts.append(self._shard(shard).rows(start, here))
            first, count = first + here, count - here
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _shard(self, number: int) -> "_MappedShard":
        if number not in self._mapped:
            self._verify(self.manifest.shards[number].file)
            self._mapped[number] = _MappedShard(self.folder, self.manifest, number)
            if len(self._mapped) > MAPPED:
                self._mapped.popitem(last=False)
        self._mapped.move_to_end(number)
        return self._mapped[number]

    def _verify(self, file: File) -> None:
        if file.name in self._verified:
            return
        problem = file_problem(self.folder, file, hashed=True)
        if problem is not None:
            raise InputError(f"cache: {problem}")
        self._verified.add(file.name)

    def _head_on(self, device: torch.device) -> Tensor:
        if self._head is None or self._head.device != device:
            file = self.manifest.head
            assert file is not None
            self._verify(file)
            data = (self.folder / file.name).read_bytes()
            self._head = safetensors.torch.load(data)["head"].to(device)
        return self._head


class _MappedShard:
    """Columns of one shard; a slice touches only the pages it lies on."""

    def __init__(self, folder: Path, manifest: Manifest, number: int) -> None:
        shard, self._length = manifest.shards[number], manifest.spec.sequence_length
        data: NDArray[np.uint8] = np.memmap(folder / shard.file.name, dtype=np.uint8, mode="r")
        tokens = shard.windows * self._length
        # A plain view: slices of np.memmap itself take several times as long.
        self._columns = unpack(data.view(np.ndarray), manifest.layout, tokens, shard.kept)
        self._ragged = [c.name for c in manifest.layout if c.width is None]
        if self._ragged:
            counts = self._columns["counts"].astype(np.int64) + 1
            ends = counts.reshape(shard.windows, self._length).sum(axis=1).cumsum()
            self._starts = np.concatenate([[0], ends])

    def rows(self, start: int, count: int) -> Columns:
        """Columns of some windows of the shard."""
        plain = slice(start * self._length, (start + count) * self._length)
        joined = plain
        if self._ragged:
            joined = slice(int(self._starts[start]), int(self._starts[start + count]))
        return {
            name: array[joined if name in self._ragged else plain]
            for name, array in self._columns.items()
        }
