"""The tokenizer of a model folder: ``tokenizer.json``, read by the library `tokenizers`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capgap.errors import InputError
from capgap.lm.hugging_face.folder import read_json
from capgap.lm.hugging_face.library import require

__all__ = ["TOKENIZER_FILES", "FolderTokenizer"]

# What belongs to a tokenizer, for a copy of it.
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja",
)  # fmt: skip


@dataclass(frozen=True)
class FolderTokenizer:
    """A fast tokenizer and the token that separates documents; `open` makes it.

    Text that spells a special token, such as ``<s>``, is encoded as text, so that the
    separator never comes from within a document. Nothing is added, cut or padded.

    Attributes
    ----------
    folder : Path
        Where it came from.
    tokenizer : tokenizers.Tokenizer
        The tokenizer.
    separator : int
        Id of the beginning-of-text token (BOS) if the folder names one, else of its
        end-of-text token (EOS); see `open`.
    unknown : int or None
        Id that stands for text outside the vocabulary, if there is such an id.
    fingerprint : str
        First 12 hexadecimal digits of the SHA-256 of ``tokenizer.json`` and the separator.
    """

    folder: Path
    tokenizer: Any
    separator: int
    unknown: int | None
    fingerprint: str

    @classmethod
    def open(cls, folder: str | Path) -> "FolderTokenizer":
        """Read the tokenizer of a model folder.

        The separator is the first of these that exists: ``bos_token`` of
        ``tokenizer_config.json``, ``bos_token_id`` of ``config.json``, ``eos_token``,
        ``eos_token_id`` (the first of several).

        Raises
        ------
        InputError
            No ``tokenizer.json`` (slow tokenizers are not read), a damaged one, or no
            separator.
        CapgapError
            The extra `hf` is not installed.
        """
        path = Path(folder) / "tokenizer.json"
        values = read_json(path)
        library = require("tokenizers")
        data = path.read_bytes()
        try:
            tokenizer = library.Tokenizer.from_buffer(data)
        except Exception as error:  # the library raises plain Exception
            reason = str(error).splitlines()[0]
            raise InputError(f"load: {path} is not a tokenizer: {reason}") from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        separator = _separator(Path(folder), tokenizer)
        digest = hashlib.sha256(data + f"\n{separator}".encode()).hexdigest()
        return cls(Path(folder), tokenizer, separator, _unknown(values, tokenizer), digest[:12])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without separators."""
        # Set here and not once: a copy sent to another process comes without this setting.
        self.tokenizer.encode_special_tokens = True
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in found]


def _separator(folder: Path, tokenizer: Any) -> int:
    settings, model = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("tokenizer_config.json", "config.json")
    )
    for role in ("bos", "eos"):
        token = settings.get(f"{role}_token")
        content = token.get("content") if isinstance(token, dict) else token
        number = tokenizer.token_to_id(content) if isinstance(content, str) else None
        if number is None:
            number = model.get(f"{role}_token_id")
            number = number[0] if isinstance(number, list) and number else number
        if isinstance(number, int):
            return number
    raise InputError(f"load: {folder} names neither a BOS nor an EOS token to separate documents")


def _unknown(values: dict[str, Any], tokenizer: Any) -> int | None:
    model = values.get("model")
    if not isinstance(model, dict):
        return None
    if isinstance(model.get("unk_id"), int):  # Unigram
        return int(model["unk_id"])
    token = model.get("unk_token")
    return tokenizer.token_to_id(token) if isinstance(token, str) else None
