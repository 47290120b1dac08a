"""A model folder as files: what is read, what is refused, and one hash for all of it.

The layout is that of `save_pretrained`: ``config.json`` and ``model.safetensors``, or the
parts that ``model.safetensors.index.json`` lists. Pickled weights are never opened, and code
in the folder is never run.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from capgap.errors import InputError

__all__ = ["ModelFolder", "is_model_folder", "read_json"]

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Settings and a file that would make the library read, or fetch, something else than this folder's
# checked files: other weights, another configuration, attention code, an adapter's base model.
REDIRECTIONS = (
    "transformers_weights", "configuration_files", "attn_implementation", "_attn_implementation",
)  # fmt: skip
BUILT_IN_ATTENTION = ("eager", "sdpa")
ADAPTER = "adapter_config.json"
PIECE = 1 << 22  # bytes hashed at a time


@dataclass(frozen=True)
class ModelFolder:
    """A checked folder; `open` makes it.

    Attributes
    ----------
    path : Path
        The folder.
    config : dict
        Contents of its ``config.json``.
    files : tuple of Path
        What the model is made of: configuration, index if there is one, weights.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[Path, ...]

    @classmethod
    def open(cls, folder: str | Path) -> "ModelFolder":
        """Check that a folder holds a model in safetensors whose files are complete.

        Raises
        ------
        InputError
            No folder, no or unreadable ``config.json``, one that leads elsewhere, quantized
            weights, an adapter, no safetensors, a part missing, or a file that is truncated or
            damaged; it is named.
        """
        path = Path(folder)
        if not path.is_dir():
            raise InputError(f"load: no such folder: {path}")
        config = read_json(path / CONFIG)
        _check_config(path, config)
        names = _weight_files(path)
        for name in names:
            _check_header(path / name)
        index = (path / INDEX,) if names != (SINGLE,) else ()
        return cls(path, config, (path / CONFIG, *index, *(path / name for name in names)))

    def sha256(self) -> str:
        """SHA-256 over name, size and contents of the files, in pieces.

        It does not depend on where the folder lies, nor on files that the model is not made
        of. A byte changed anywhere in the weights changes it.
        """
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
            for piece in _pieces(file):
                digest.update(piece)
        return digest.hexdigest()


def is_model_folder(path: str | Path) -> bool:
    """Whether a path is a folder with a ``config.json``."""
    return (Path(path) / CONFIG).is_file()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises
    ------
    InputError
        The file is missing, or is not a JSON object; it is named.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"load: cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"load: {path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"load: {path} must be a JSON object")
    return values


def _check_config(path: Path, config: dict[str, Any]) -> None:
    if config.get("quantization_config") is not None:
        raise InputError(f"load: {path} is quantized; only plain weights are read")
    for name in REDIRECTIONS:
        if config.get(name) not in (None, *BUILT_IN_ATTENTION):
            raise InputError(f"load: {path / CONFIG} sets {name}, which leads elsewhere; remove it")
    if (path / ADAPTER).exists():
        raise InputError(f"load: {path} holds an adapter ({ADAPTER}); merge it into its model")


def _weight_files(path: Path) -> tuple[str, ...]:
    if (path / SINGLE).is_file():
        return (SINGLE,)
    if (path / INDEX).is_file():
        return _parts(path / INDEX)
    pickled = sorted(p.name for p in path.iterdir() if p.suffix in PICKLED)
    if pickled:
        raise InputError(
            f"load: {path} has no {SINGLE}; {pickled[0]} may hold code and is not read"
            " (convert the model to safetensors)"
        )
    raise InputError(f"load: {path} has no {SINGLE}")


def _parts(index: Path) -> tuple[str, ...]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"load: {index} has no weight_map")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        # A part lies in the folder itself: an index must not lead elsewhere.
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(f"load: {index} names {name!r}, which is no safetensors file here")
        if not (index.parent / name).is_file():
            raise InputError(
                f"load: {index.parent / name} is missing, though {index.name} lists it"
            )
    return tuple(names)


def _check_header(path: Path) -> None:
    """A safetensors file states its length: a truncated one contradicts itself."""
    try:
        with safetensors.safe_open(path, framework="pt"):
            pass
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"load: {path} is truncated or damaged: {_line(error)}") from None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
