"""Bytes as a Hugging Face tokenizer: token id = byte value, and 0 separates documents.

Written as JSON by hand, so that an export needs no further library. The pieces are those of
byte-level BPE (Radford et al. 2019, section 2.2) without any merges: bytes become printable
characters, each of which is a token.
"""

import json
from typing import Any

__all__ = ["SEPARATOR_TOKEN", "byte_tokenizer_files", "printable_bytes"]

SEPARATOR_TOKEN = "<|document|>"


def printable_bytes() -> list[str]:
    """The character that byte-level tokenizers write for each byte.

    Printable Latin-1 characters stand for themselves, the other 68 bytes for the characters
    from U+0100 on, in order: a published convention that the library has built in.

    >>> table = printable_bytes()
    >>> table[ord("A")], table[ord(" ")], len(set(table))
    ('A', 'Ġ', 256)
    """
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(b) if b in shown else chr(0x100 + hidden.index(b)) for b in range(256)]


def byte_tokenizer_files(longest: int) -> dict[str, bytes]:
    """``tokenizer.json`` and ``tokenizer_config.json``.

    Texts get the separator in front, as documents had in training, unless special tokens
    are switched off. Byte 0, which no text contains, has no other token.

    Parameters
    ----------
    longest : int
        Context of the model in tokens.
    """
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SEPARATOR_TOKEN,
        "eos_token": SEPARATOR_TOKEN,
        "clean_up_tokenization_spaces": False,
        "model_max_length": longest,
    }
    files = {"tokenizer.json": _tokenizer(), "tokenizer_config.json": settings}
    return {name: encode_json(values) for name, values in files.items()}


def encode_json(values: dict[str, Any]) -> bytes:
    """A JSON file."""
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()


def _tokenizer() -> dict[str, Any]:
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    bytewise["use_regex"] = False
    vocabulary = {character: byte for byte, character in enumerate(printable_bytes()) if byte}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": 0, "content": SEPARATOR_TOKEN, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": bytewise,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_special(), _text("A", 0)],
            "pair": [_special(), _text("A", 0), _special(), _text("B", 0)],
            "special_tokens": {
                SEPARATOR_TOKEN: {"id": SEPARATOR_TOKEN, "ids": [0], "tokens": [SEPARATOR_TOKEN]}
            },
        },
        "decoder": bytewise,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": False, "vocab": {SEPARATOR_TOKEN: 0, **vocabulary}, "merges": [],
        },
    }  # fmt: skip


def _special() -> dict[str, Any]:
    return {"SpecialToken": {"id": SEPARATOR_TOKEN, "type_id": 0}}


def _text(name: str, kind: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": kind}}
