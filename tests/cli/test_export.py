"""``capgap export``: a run becomes a folder, or one line says why not."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.cli.export import add_commands  # noqa: E402
from capgap.errors import InputError  # noqa: E402
from capgap.lm.config import RunConfig  # noqa: E402
from capgap.lm.corpus import load_text  # noqa: E402
from capgap.measurement.records import RunStore  # noqa: E402
from capgap.measurement.runs import execute  # noqa: E402


def export(arguments: Sequence[object]) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers(required=True))
    options = parser.parse_args(["export", *map(str, arguments)])
    options.run(options)


@pytest.fixture
def run(text_folder: Path, tmp_path: Path) -> tuple[str, Path]:
    corpus, store = load_text([text_folder]), RunStore(tmp_path / "runs")
    config = RunConfig(
        depth=1, tokens=1024, corpus=corpus.fingerprint, sequence_length=32, batch_size=4
    )
    record = execute(config, corpus, store)
    assert record.status == "ok"
    return record.id, store.folder


def test_run_becomes_a_folder(
    run: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, runs = run
    out = tmp_path / "student"
    export([name[:6], "--runs", runs, "--out", out, "--json"])
    answer = json.loads(capsys.readouterr().out)
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert answer == {"id": name, "folder": str(out), "files": files}
    export([name, "--runs", runs, "--out", tmp_path / "again"])
    assert capsys.readouterr().out.startswith(f"{name} as Qwen3ForCausalLM in ")
    with pytest.raises(InputError, match="student exists"):
        export([name, "--runs", runs, "--out", out])


def test_tokenizer_must_be_the_one_of_the_run(
    run: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, runs = run
    place = ["--runs", runs, "--out", tmp_path / "student"]
    with pytest.raises(InputError, match="reads bytes; leave out --tokenizer"):
        export([name, *place, "--tokenizer", tmp_path])
    _change(monkeypatch, corpus="text-0123456789ab-tokens-abcdefabcdef")
    with pytest.raises(InputError, match="tokens of tokenizer abcdefabcdef; name its folder"):
        export([name, *place])
    with pytest.raises(InputError, match=r"cannot read .*tokenizer\.json"):
        export([name, *place, "--tokenizer", tmp_path])
    pytest.importorskip("tokenizers", reason="needs the extra 'hf'")
    export_bytes = tmp_path / "bytes"
    monkeypatch.undo()
    export([name, "--runs", runs, "--out", export_bytes])
    _change(monkeypatch, corpus="text-0123456789ab-tokens-abcdefabcdef")
    with pytest.raises(InputError, match=r"has tokenizer \w{12}, run \w{16} needs abcdefabcdef"):
        export([name, *place, "--tokenizer", export_bytes])
    assert not (tmp_path / "student").exists()


def test_unusable_runs_are_refused(
    run: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, runs = run
    with pytest.raises(InputError, match="no run 'xyz'"):
        export(["xyz", "--runs", runs, "--out", tmp_path / "student"])
    with pytest.raises(InputError, match="no such folder"):
        export([name, "--runs", tmp_path / "nothing", "--out", tmp_path / "student"])
    (runs / f"{name}.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="SHA-256 differs"):
        export([name, "--runs", runs, "--out", tmp_path / "student"])


def _change(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Records as if their runs had other settings."""
    import dataclasses

    read = RunStore.read

    def changed(store: RunStore, run_id: str) -> Any:
        record = read(store, run_id)
        config = dataclasses.replace(record.config, **settings)
        return dataclasses.replace(record, config=config)

    monkeypatch.setattr(RunStore, "read", changed)
