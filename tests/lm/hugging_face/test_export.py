"""Exported students: the same logits, losses and tokens in transformers as here."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
pytest.importorskip("transformers", reason="needs the extra 'hf'")

import torch.nn.functional as F  # noqa: E402

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.config import ModelShape  # noqa: E402
from capgap.lm.corpus import load_text  # noqa: E402
from capgap.lm.hugging_face import FolderTokenizer, export_student, load_teacher, open_external  # noqa: E402
from capgap.lm.hugging_face.export import qwen3_tensors  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402

SHAPE = ModelShape(depth=3, aspect_ratio=8, sequence_length=64)


def random_student(shape: ModelShape = SHAPE) -> Transformer:
    """Every weight random, gains too: an untrained model would hide a mistaken name."""
    model = Transformer(shape, seed=4).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise if parameter.ndim == 1 else 0.1 * noise)
        model.head.weight.mul_(3)
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Path]:
    model = random_student()
    folder = tmp_path_factory.mktemp("exported") / "student"
    return model, export_student(model, folder)


def tokens(shape: ModelShape = SHAPE) -> Any:
    generator = torch.Generator().manual_seed(6)
    return torch.randint(0, shape.vocab_size, (3, shape.sequence_length), generator=generator)


def test_logits_are_the_same_in_transformers(exported: tuple[Transformer, Path]) -> None:
    """1e-5 of logits of order 1: rotary angles are rounded to float32 there, not here."""
    from transformers import AutoModelForCausalLM

    model, folder = exported
    loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    assert type(loaded).__name__ == "Qwen3ForCausalLM"
    with torch.no_grad():
        ours, theirs = model(tokens()), loaded(tokens()).logits
    assert float(ours.std()) > 0.5
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("self_attn.q_proj", "self_attn.k_proj"),
        ("self_attn.v_proj", "self_attn.o_proj"),
        ("self_attn.q_norm", "self_attn.k_norm"),
        ("mlp.gate_proj", "mlp.up_proj"),
        ("input_layernorm", "post_attention_layernorm"),
    ],
)
def test_interchanged_names_would_be_seen(
    exported: tuple[Transformer, Path], tmp_path: Path, one: str, other: str
) -> None:
    """Negative control of the comparison above: each pair of equal shapes, interchanged."""
    import safetensors.torch

    model, folder = exported
    wrong = Path(shutil.copytree(folder, tmp_path / "wrong"))
    tensors = qwen3_tensors(model)
    for i in range(SHAPE.depth):
        a, b = (f"model.layers.{i}.{name}.weight" for name in (one, other))
        tensors[a], tensors[b] = tensors[b], tensors[a]
    safetensors.torch.save_file(tensors, wrong / "model.safetensors", {"format": "pt"})
    with torch.no_grad():
        difference = (load_teacher(wrong)(tokens()) - model(tokens())).abs().max()
    assert float(difference) > 0.05


def test_tokens_are_bytes_behind_a_separator(exported: tuple[Transformer, Path]) -> None:
    from transformers import AutoTokenizer

    oracle = AutoTokenizer.from_pretrained(exported[1], local_files_only=True)
    ours = FolderTokenizer.open(exported[1])
    assert (ours.separator, oracle.bos_token_id, oracle.eos_token_id) == (0, 0, 0)

    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    def check(text: str) -> None:
        expected = list(text.encode())
        assert oracle(text)["input_ids"] == [0, *expected]
        assert oracle(text, add_special_tokens=False)["input_ids"] == expected
        assert oracle.decode(expected) == text
        assert ours.encode([text])[0] == expected

    check()
    every = "".join(map(chr, [*range(1, 0x800), 0xFFFD, 0x1F600]))
    assert ours.encode([every])[0] == list(every.encode())
    assert oracle(every)["input_ids"] == [0, *every.encode()]


def validation_loss(model: Any, corpus: Any, length: int) -> tuple[float, float]:
    """Nats per token and bits per byte by a plain loop over documents and windows."""
    nats, count, size = 0.0, 0, 0
    for document in corpus.validation:
        row = np.concatenate([[corpus.separator], corpus.encode(document)]).astype(np.int64)
        size += len(document.text)
        for start in range(0, len(row) - 1, length):
            window = torch.from_numpy(row[start : start + length + 1])
            with torch.no_grad():
                logits = model(window[None, :-1])[0]
            nats += float(F.cross_entropy(logits, window[1:], reduction="sum").double())
            count += len(window) - 1
    return nats / count, nats / size / np.log(2)


def test_validation_loss_survives_the_round_trip(
    exported: tuple[Transformer, Path], text_folder: Path
) -> None:
    """Exported, opened as an external teacher, evaluated on the text in its own tokens."""
    model, folder = exported
    record, load, tokenized = open_external(folder, [text_folder])
    assert (record.N, record.forward_flops) == (SHAPE.N, SHAPE.forward_flops)
    assert (record.vocab_size, record.sequence_length) == (256, SHAPE.sequence_length)
    corpus = load_text([text_folder])
    assert tokenized.stream("student").tolist() == corpus.stream("student").tolist()
    length = SHAPE.sequence_length
    ours = validation_loss(model, corpus, length)
    theirs = validation_loss(load("cpu", "float32"), tokenized, length)
    assert theirs == pytest.approx(ours, abs=1e-6, rel=0)


def test_student_on_a_model_tokenizer_takes_its_files(llama: Any, tmp_path: Path) -> None:
    tokenizer = FolderTokenizer.open(llama[0])
    shape = ModelShape(depth=1, vocab_size=304, sequence_length=32)
    model = random_student(shape)
    with pytest.raises(InputError, match="304 outputs, not 256 bytes"):
        export_student(model, tmp_path / "student")
    folder = export_student(model, tmp_path / "student", tokenizer)
    again = FolderTokenizer.open(folder)
    assert (again.fingerprint, again.separator) == (tokenizer.fingerprint, tokenizer.separator)
    teacher = load_teacher(folder)
    assert torch.allclose(teacher(tokens(shape)), model(tokens(shape)), atol=1e-5, rtol=1e-5)
    small = random_student(ModelShape(depth=1, vocab_size=10))
    odd = FolderTokenizer(llama[0], tokenizer.tokenizer, 10, None, "x")
    with pytest.raises(InputError, match="separator 10"):
        export_student(small, tmp_path / "small", odd)


def test_writing_needs_no_transformers(
    exported: tuple[Transformer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("transformers", "tokenizers"):
        monkeypatch.setitem(sys.modules, name, None)
    folder = export_student(exported[0], tmp_path / "student")
    for file in exported[1].iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


def test_folder_appears_whole_or_not_at_all(
    exported: tuple[Transformer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the third file: nothing is left, not even a hidden folder."""
    flushes = iter([None, None])
    target = tmp_path / "place" / "student"
    target.parent.mkdir()

    def flush(_: int) -> None:
        assert not target.exists()
        if next(flushes, "full") == "full":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(CapgapError, match=r"cannot write .*student: No space left"):
        export_student(exported[0], target)
    assert list(target.parent.iterdir()) == []


def test_existing_contents_are_never_overwritten(
    exported: tuple[Transformer, Path], tmp_path: Path
) -> None:
    target = tmp_path / "student"
    target.mkdir()
    export_student(exported[0], target)  # an empty folder is fine
    before = (target / "config.json").read_bytes()
    with pytest.raises(InputError, match="student exists"):
        export_student(random_student(), target)
    assert (target / "config.json").read_bytes() == before
    assert json.loads(before)["model_type"] == "qwen3"
