"""Students of a Hugging Face teacher, from its folder to an exported student."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
pytest.importorskip("transformers", reason="needs the extra 'hf'")

import torch.nn.functional as F  # noqa: E402

from capgap.errors import InputError  # noqa: E402
from capgap.lm.checkpoint import load_model  # noqa: E402
from capgap.lm.config import RunConfig  # noqa: E402
from capgap.lm.corpus import load_text  # noqa: E402
from capgap.lm.evaluation import evaluate  # noqa: E402
from capgap.lm.hugging_face import (  # noqa: E402
    export_student,
    load_teacher,
    open_external,
)
from capgap.lm.hugging_face.library import quiet_transformers  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402
from capgap.measurement.records import RunStore  # noqa: E402
from capgap.measurement.runs import execute  # noqa: E402

LENGTH = 16
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, prose: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for i, text in enumerate(prose):
        (folder / f"{i:02d}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, llama: Any, texts: Path, fast_tokenizer: Any
) -> Any:
    """The Llama, trained by transformers' own loss on the teacher half, saved and opened."""
    from transformers import AutoModelForCausalLM

    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(llama[0], local_files_only=True)
        stream = torch.from_numpy(open_external(llama[0], [texts])[2].stream("teacher")).long()
        rows = stream[: len(stream) // LENGTH * LENGTH].view(-1, LENGTH)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for step in range(60):
            batch = rows[torch.arange(8 * step, 8 * step + 8) % len(rows)]
            optimizer.zero_grad()
            model(input_ids=batch, labels=batch).loss.backward()
            optimizer.step()
        folder = tmp_path_factory.mktemp("models") / "trained"
        model.save_pretrained(folder)
        fast_tokenizer.save_pretrained(folder)
    return open_external(folder, [texts], LENGTH)


def config_of(opened: Any, **changes: Any) -> RunConfig:
    record, _, corpus = opened
    settings = {
        "depth": 1, "tokens": 4096, "corpus": corpus.fingerprint, "vocab_size": corpus.vocab_size,
        "sequence_length": LENGTH, "batch_size": 8, "teacher": record, "distillation_weight": 1.0,
    }  # fmt: skip
    return RunConfig(**{**settings, **changes})


def run(opened: Any, folder: Path, **changes: Any) -> Any:
    record, load, corpus = opened
    config = config_of(opened, **changes)
    return execute(config, corpus, RunStore(folder), external={record.sha256: load})


def divergence_from(teacher: Any, student: Any, corpus: Any) -> float:
    """KL(teacher || student) in nats per token on the first tokens of each document."""
    total = []
    for document in corpus.validation:
        window = torch.from_numpy(corpus.encode(document)[:LENGTH])[None].long()
        with torch.no_grad():
            p, q = (F.log_softmax(model(window), -1) for model in (teacher, student))
        total.append(float((p.exp() * (p - q)).sum(-1).mean()))
    return sum(total) / len(total)


def test_student_comes_near_to_its_teacher(opened: Any, tmp_path: Path) -> None:
    """KL from the teacher falls to below a third of the uniform distribution's.

    The record's teacher loss is that of a plain evaluation; FLOPs contain the teacher's
    forward pass at the student's context. Exported, the student is a teacher like any other.
    """
    record, load, corpus = opened
    made = run(opened, tmp_path)
    assert made.status == "ok"
    teacher = load()
    loss = evaluate(teacher, corpus, device=CPU, length=LENGTH).loss
    assert pytest.approx(loss, rel=1e-6) == made.L_T  # normalized once more there
    assert made.flops == (3 * made.config.shape.forward_flops + record.forward_flops) * made.D
    model = load_model(made.config.shape, RunStore(tmp_path).weights_path(made.id))
    untrained = Transformer(made.config.shape)  # predicts exactly the uniform distribution
    assert divergence_from(teacher, teacher, corpus) == 0.0
    before, after = (divergence_from(teacher, m, corpus) for m in (untrained, model))
    assert after < before / 3
    folder = export_student(model, tmp_path / "student", corpus.tokenizer)
    again = evaluate(load_teacher(folder), corpus, device=CPU, length=LENGTH)
    assert again.loss == pytest.approx(made.loss, abs=1e-6, rel=0)


def test_cached_outputs_serve_the_same_student(opened: Any, tmp_path: Path) -> None:
    """Logits, and states and head, are stored in float16: 2^-11 of each, 1e-3 in the loss.

    Negative control: the twelve largest of 304, renormalized, are not the teacher.
    """
    online = run(opened, tmp_path)
    loss = {
        form: run(opened, tmp_path, teacher_outputs=TeacherOutputs.parse(form)).loss
        for form in ("hidden", "full", "top-k:12,tail=drop")
    }
    assert loss["hidden"] == pytest.approx(online.loss, abs=1e-3)
    assert loss["full"] == pytest.approx(online.loss, abs=1e-3)
    assert abs(loss["top-k:12,tail=drop"] - online.loss) > 0.01


def test_bits_per_byte_count_bytes_of_text(opened: Any, tmp_path: Path, texts: Path) -> None:
    """Nats in all over bytes in all; bytes and documents are those of a run on bytes."""
    made = run(opened, tmp_path)
    text = load_text([texts])
    nats = sum(a * b for a, b in zip(made.document_losses, made.document_tokens, strict=True))
    size = sum(len(document.text) for document in text.validation)
    assert made.bits_per_byte == pytest.approx(nats / math.log(2) / size, rel=1e-12)
    assert sum(made.document_tokens) < 0.7 * size
    assert len(made.document_losses) == len(text.validation)


def test_vocabularies_must_agree(opened: Any) -> None:
    with pytest.raises(InputError, match=r"vocab_size of teacher and student differ \(304 and 256"):
        config_of(opened, vocab_size=256)


def test_teacher_must_reach_as_far_as_the_student(opened: Any) -> None:
    with pytest.raises(InputError, match="sequence_length 16 is shorter"):
        config_of(opened, sequence_length=LENGTH + 1)


def test_another_text_is_another_run(opened: Any, texts: Path, tmp_path: Path) -> None:
    """Bytes and tokens of one text never share an id, nor do two tokenizers."""
    record, load, corpus = opened
    other = dataclasses.replace(
        corpus, tokenizer=dataclasses.replace(corpus.tokenizer, fingerprint="other")
    )
    with pytest.raises(InputError, match="configuration is for corpus"):
        execute(config_of(opened), other, RunStore(tmp_path), external={record.sha256: load})
    assert load_text([texts]).fingerprint != corpus.fingerprint
