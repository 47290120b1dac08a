"""Tokenizers of model folders: their ids are those of transformers; text is never a separator."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'lm'")
pytest.importorskip("tokenizers", reason="needs the extra 'hf'")

from capgap.errors import InputError
from capgap.lm.hugging_face import FolderTokenizer


@pytest.fixture
def copy(llama: tuple[Path, Any], tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama[0], tmp_path / "copy"))


def change(path: Path, **values: Any) -> None:
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **values}))


def test_ids_are_those_of_transformers(llama: Any, prose: list[str]) -> None:
    from transformers import AutoTokenizer

    oracle = AutoTokenizer.from_pretrained(llama[0], local_files_only=True)
    expected = [oracle(text, add_special_tokens=False)["input_ids"] for text in prose]
    tokenizer = FolderTokenizer.open(llama[0])
    assert tokenizer.encode(prose) == expected
    assert [tokenizer.encode([text])[0] for text in prose] == expected
    # It has merges: fewer tokens than bytes.
    assert sum(map(len, expected)) < 0.7 * sum(len(text.encode()) for text in prose)


def test_text_that_spells_the_separator_is_text(llama: Any) -> None:
    """Negative control: transformers' own tokenizer turns such text into the separator."""
    from transformers import AutoTokenizer

    tokenizer = FolderTokenizer.open(llama[0])
    text = "a <s> b"
    ids = tokenizer.encode([text])[0]
    assert tokenizer.separator not in ids
    assert tokenizer.tokenizer.decode(ids) == text
    assert pickle.loads(pickle.dumps(tokenizer)).encode([text])[0] == ids  # in another process
    oracle = AutoTokenizer.from_pretrained(llama[0], local_files_only=True)
    assert tokenizer.separator in oracle(text, add_special_tokens=False)["input_ids"]


def test_separator_is_bos_then_eos(copy: Path) -> None:
    settings, config = copy / "tokenizer_config.json", copy / "config.json"
    found = {}
    for label, tokens, ids in (
        ("bos token", {"bos_token": "a", "eos_token": "b"}, {"bos_token_id": 7}),
        ("bos dict", {"bos_token": {"content": "a"}}, {"bos_token_id": 7}),
        ("bos id", {"bos_token": None, "eos_token": "b"}, {"bos_token_id": 7}),
        ("eos token", {"bos_token": None, "eos_token": "b"}, {"bos_token_id": None}),
        ("eos ids", {"bos_token": None, "eos_token": None}, {"eos_token_id": [9, 3]}),
    ):
        change(settings, **tokens)
        change(config, **ids)
        found[label] = FolderTokenizer.open(copy).separator
    vocabulary = FolderTokenizer.open(copy).tokenizer.get_vocab()
    a, b = vocabulary["a"], vocabulary["b"]
    assert found == {"bos token": a, "bos dict": a, "bos id": 7, "eos token": b, "eos ids": 9}
    change(config, eos_token_id=None)
    with pytest.raises(InputError, match="neither a BOS nor an EOS"):
        FolderTokenizer.open(copy)


def test_fingerprint_changes_with_tokens_and_separator(llama: Any, copy: Path) -> None:
    before = FolderTokenizer.open(llama[0]).fingerprint
    assert FolderTokenizer.open(copy).fingerprint == before
    change(copy / "tokenizer_config.json", bos_token="a")
    other = FolderTokenizer.open(copy).fingerprint
    change(copy / "tokenizer.json", normalizer={"type": "Lowercase"})
    assert len({before, other, FolderTokenizer.open(copy).fingerprint}) == 3


def test_saved_truncation_and_padding_are_ignored(copy: Path, prose: list[str]) -> None:
    expected = FolderTokenizer.open(copy).encode(prose)
    truncation = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    change(copy / "tokenizer.json", truncation=truncation)
    assert FolderTokenizer.open(copy).encode(prose) == expected


def test_unknown_token_is_found(copy: Path) -> None:
    assert FolderTokenizer.open(copy).unknown is None
    model = {"type": "WordLevel", "vocab": {"<s>": 0, "?": 1, "a": 2}, "unk_token": "?"}
    change(copy / "tokenizer.json", model=model, added_tokens=[], pre_tokenizer=None)
    assert FolderTokenizer.open(copy).unknown == 1
    model = {"type": "Unigram", "vocab": [["<s>", 0.0], ["a", -1.0], ["?", -2.0]], "unk_id": 2}
    change(copy / "tokenizer.json", model=model)
    assert FolderTokenizer.open(copy).unknown == 2


def test_missing_and_damaged_tokenizers_are_named(copy: Path) -> None:
    change(copy / "tokenizer.json", model={"type": "None"})
    with pytest.raises(InputError, match=r"tokenizer\.json is not a tokenizer") as caught:
        FolderTokenizer.open(copy)
    assert "\n" not in str(caught.value)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"cannot read .*tokenizer\.json"):
        FolderTokenizer.open(copy)
