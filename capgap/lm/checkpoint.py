"""Weights on disk: safetensors, written atomically, checked on reading."""

import hashlib
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.lm.config import ModelShape
from capgap.lm.model import Transformer

__all__ = ["load_model", "save_model"]


def save_model(model: Transformer, path: Path) -> str:
    """Write the weights; returns their SHA-256.

    The file appears under its name only when it is complete. A full disk or a folder
    that cannot be written raises `CapgapError` and leaves what was there.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    data = safetensors.torch.save(tensors)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load_model(shape: ModelShape, path: Path, sha256: str | None = None) -> Transformer:
    """Read weights written by `save_model`.

    Raises
    ------
    InputError
        The file is missing, damaged, not of this shape, or does not have the hash given.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"load: cannot read {path}: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"load: {path} is not the file that was recorded (SHA-256 differs)")
    model = Transformer(shape)
    try:
        model.load_state_dict(safetensors.torch.load(data))
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"load: {path} does not hold this model: {reason}") from None
    return model.to(torch.float32).eval()
