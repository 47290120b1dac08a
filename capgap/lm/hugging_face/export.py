"""A student as a Hugging Face folder, readable by any program that knows Qwen3.

Our transformer (`capgap.lm.model`) is the architecture of Qwen3 with as many key-value heads
as heads, an untied head, no biases and no sliding window: pre-norm RMSNorm, RMS-normalized
queries and keys per head before the rotary embedding, SwiGLU. Neither transformers nor
tokenizers is needed to write the folder.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from capgap.errors import CapgapError, InputError
from capgap.lm.config import ModelShape
from capgap.lm.hugging_face.byte_tokenizer import byte_tokenizer_files, encode_json
from capgap.lm.hugging_face.tokenizing import TOKENIZER_FILES, FolderTokenizer
from capgap.lm.model import NORM_EPSILON, ROPE_BASE, Transformer

__all__ = ["export_student", "qwen3_config", "qwen3_tensors"]


def export_student(
    model: Transformer, folder: str | Path, tokenizer: FolderTokenizer | None = None
) -> Path:
    """Write a folder that `AutoModelForCausalLM` and `AutoTokenizer` read.

    All files are written to a hidden folder beside it, which is renamed at the end: the
    folder appears complete or not at all.

    Parameters
    ----------
    model : Transformer
        The trained student; written in float32.
    folder : path
        Must not exist, or be empty.
    tokenizer : FolderTokenizer or None
        The tokenizer it was trained with, whose files are copied; None for bytes.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder has contents, or the tokenizer does not fit the model.
    CapgapError
        The disk is full or cannot be written; nothing is left behind.
    """
    target, shape = Path(folder), model.shape
    _check(target, shape, tokenizer)
    separator = 0 if tokenizer is None else tokenizer.separator
    files = {
        "config.json": encode_json(qwen3_config(shape, separator)),
        "model.safetensors": safetensors.torch.save(qwen3_tensors(model), {"format": "pt"}),
    }
    if tokenizer is None:
        files |= byte_tokenizer_files(shape.sequence_length)
    else:
        places = (tokenizer.folder / name for name in TOKENIZER_FILES)
        files |= {place.name: place.read_bytes() for place in places if place.is_file()}
    _write_folder(target, files)
    return target


def qwen3_config(shape: ModelShape, separator: int) -> dict[str, Any]:
    """Contents of ``config.json``; the rotary base in both spellings that readers know."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.d_model,
        "intermediate_size": shape.d_ff,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_heads,
        "head_dim": shape.d_head,
        "hidden_act": "silu",
        "max_position_embeddings": shape.sequence_length,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "rope_parameters": {"rope_theta": ROPE_BASE, "rope_type": "default"},
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "use_cache": True,
        "bos_token_id": separator,
        "eos_token_id": separator,
        "dtype": "float32",
        "torch_dtype": "float32",
    }


def qwen3_tensors(model: Transformer) -> dict[str, Tensor]:
    """Weights under the names of Qwen3, float32 on the CPU."""
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        for new_name, part in _renamed(name, tensor.detach().float().cpu()):
            found[new_name] = part.contiguous().clone()
    return found


_OUTSIDE = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
# Our name within a block, and the names of the equal parts it is cut into along its rows.
_INSIDE = {
    "attention_norm": ("input_layernorm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.o_proj",),
    "attention.q_norm": ("self_attn.q_norm",),
    "attention.k_norm": ("self_attn.k_norm",),
    "ffn_norm": ("post_attention_layernorm",),
    "ffn.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "ffn.down": ("mlp.down_proj",),
}


def _renamed(name: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    if name in _OUTSIDE:
        return [(_OUTSIDE[name], tensor)]
    _, block, inner = name.split(".", 2)
    parts = _INSIDE[inner.removesuffix(".weight")]
    pieces = tensor.chunk(len(parts), dim=0)
    return [
        (f"model.layers.{block}.{part}.weight", piece)
        for part, piece in zip(parts, pieces, strict=True)
    ]


def _check(target: Path, shape: ModelShape, tokenizer: FolderTokenizer | None) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"export: {target} exists; name a new folder")
    if tokenizer is None and shape.vocab_size != 256:
        raise InputError(
            f"export: the model has {shape.vocab_size} outputs, not 256 bytes; its tokenizer is"
            " needed"
        )
    if tokenizer is not None and not 0 <= tokenizer.separator < shape.vocab_size:
        raise InputError(
            f"export: separator {tokenizer.separator} of the tokenizer is not below the model's"
            f" {shape.vocab_size} outputs"
        )


def _write_folder(target: Path, files: dict[str, bytes]) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            part.mkdir(parents=True)
            for name, data in files.items():
                with (part / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise CapgapError(f"export: cannot write {target}: {error.strerror}") from None
