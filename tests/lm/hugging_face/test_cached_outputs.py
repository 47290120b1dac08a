"""Outputs of a Hugging Face folder on disk, by command, and a student of them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
pytest.importorskip("transformers", reason="needs the extra 'hf'")

from cli.calls import call  # noqa: E402

from capgap.lm.batches import Batches  # noqa: E402
from capgap.lm.hugging_face import open_external  # noqa: E402
from capgap.lm.teacher_cache import TeacherCache, read_manifest  # noqa: E402

LENGTH, CPU = 16, torch.device("cpu")


@pytest.mark.parametrize("form", ["hidden", "top-k:5"])
def test_outputs_of_a_folder(
    form: str, llama: Any, prose: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the model itself on the same windows."""
    texts, cache = tmp_path / "texts", tmp_path / "cache"
    texts.mkdir()
    for i, text in enumerate(prose):
        (texts / f"{i:02d}.txt").write_text(text, encoding="utf-8")
    status, out, err = call(
        capsys, "cache", "build", "--teacher", llama[0], "--text", texts, "--tokens", 320,
        "--sequence-length", LENGTH, "--outputs", form, "--out", cache, "--json",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert json.loads(out)["tokens"] == 320
    record, load, corpus = open_external(llama[0], [texts], LENGTH)
    settings = read_manifest(cache).run_settings()
    assert settings["teacher"] == record
    assert dataclasses.asdict(record)["sha256"] == read_manifest(cache).spec.teacher_sha256
    tokens = torch.from_numpy(Batches(corpus.stream("student"), 1, LENGTH, 0).rows(3, 2)[:, :-1])
    exact = load(CPU, "float32")(tokens).flatten(0, 1)
    target: Any = TeacherCache.open(cache).targets(3, 2)
    if form == "hidden":
        assert torch.allclose(target.logits(), exact, atol=1e-5)
    else:
        best = exact.log_softmax(-1).gather(-1, target.indices)
        assert torch.equal(target.indices[:, 0], exact.argmax(-1))
        # 2^-11 of log-probabilities down to -8, and the constant of renormalization.
        assert torch.allclose(target.log_probs, best, atol=8e-3)
