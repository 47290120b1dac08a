"""The command line as a user meets it: help, results, and errors in one line."""

import argparse
import csv
import io
import json
from pathlib import Path

import pytest

from capgap.cli.main import build_parser, main
from capgap.cli.options import count

COMMANDS = [
    [], ["train"], ["distill"], ["sweep"], ["runs"], ["reproduce"], ["corpus"],
    ["corpus", "build"], ["corpus", "info"], ["cache"], ["cache", "build"], ["cache", "verify"],
    ["cache", "stats"], ["export"], ["bench"], ["calibrate"],
]  # fmt: skip
SMALL = ["--aspect-ratio", "8", "--sequence-length", "32"]


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as leave:
        status = int(leave.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "capgap")
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    status, out, err = call(capsys, *command, "--help")
    assert (status, err) == (0, "")
    assert f"capgap {' '.join(command)}".strip() in out
    if command:
        assert "example:\n  capgap" in out


@pytest.mark.parametrize(
    "command", ["train", "distill", "sweep", "runs", "reproduce", "export", "bench"]
)
def test_commands_that_programs_read_offer_json(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert "--json" in call(capsys, command, "--help")[1]


def test_examples_parse() -> None:
    """Every example in a help text is accepted by the parser."""
    examples = []
    parsers = [build_parser()]
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            if hasattr(action, "choices") and isinstance(action.choices, dict):
                parsers += list(action.choices.values())
        if parser.epilog:
            lines = parser.epilog.split("\n  ")[1:]
            examples += [part.split()[1:] for line in lines for part in line.split("&&")]
    assert len(examples) >= 20
    for words in examples:
        build_parser().parse_args(words)


def test_train_distill_and_table(
    capsys: pytest.CaptureFixture[str], text_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    place = ["--text", text_folder, "--runs", tmp_path / "runs", *SMALL]
    status, out, err = call(
        capsys, "train", "--depth", 2, "--tokens", "5k", "--half", "teacher", "--json", *place
    )
    assert (status, err) == (0, "")
    teacher = json.loads(out)
    assert teacher["status"] == "ok"
    assert teacher["D"] == 4992  # 39 steps of 4 x 32

    status, out, err = call(
        capsys, "distill", "--teacher", teacher["id"][:6], "--depth", 1, "--tokens", "5k", *place
    )
    assert (status, err) == (0, "")
    assert "nats per token" in out
    assert f"its teacher's loss {teacher['loss']:.4f}" in out
    again = call(capsys, "distill", "--teacher", teacher["id"], "--depth", 1, "--tokens", "5k",
                 *place)[1]  # fmt: skip
    assert "was made before" in again

    runs = ["runs", "--runs", tmp_path / "runs"]
    records = json.loads(call(capsys, *runs, "--json")[1])
    assert [r["config"]["teacher"] is None for r in records] == [True, False]
    rows = list(csv.DictReader(io.StringIO(call(capsys, *runs, "--csv")[1])))
    assert [row["id"] for row in rows] == [r["id"] for r in records]
    assert float(rows[1]["L_T"]) == pytest.approx(teacher["loss"], abs=1e-4)
    table = call(capsys, *runs)[1]
    assert all(row["id"][:8] in table for row in rows)
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 80
    for condition, found in (("half=teacher", 1), ("depth=1", 1), ("seed=0", 2), ("D=4992", 2)):
        assert len(json.loads(call(capsys, *runs, "--json", "--where", condition)[1])) == found


def test_repeated_passes_are_recorded(
    capsys: pytest.CaptureFixture[str], text_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    out = call(
        capsys, "train", "--depth", 1, "--tokens", "60k", "--text", text_folder, "--json",
        "--runs", tmp_path, *SMALL,
    )[1]  # fmt: skip
    record = json.loads(out)
    half = sum(p.stat().st_size for p in text_folder.iterdir()) * 11 / 24
    assert record["D"] > 2 * record["unique_tokens"]
    assert record["unique_tokens"] == pytest.approx(half, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--depth", "1", "--tokens", "9k", "--what"], "unrecognized arguments: --what"),
        (["tain"], "invalid choice"),
        ([], "required: COMMAND"),
        (["train", "--depth", "1", "--tokens", "many"], "'many' is not a number"),
        (["train", "--depth", "1", "--tokens", "1.5"], "not a whole number"),
        (["train", "--depth", "0", "--tokens", "9k"], "depth = 0"),
        (["train", "--depth", "200000", "--tokens", "9k"], "parameters"),
        (["train", "--depth", "150", "--tokens", "9k"], "GiB of memory"),
        (["train", "--depth", "1", "--tokens", "100"], "less than one batch"),
        (["train", "--depth", "1", "--tokens", "9k", "--text", "nowhere"], "no such file"),
        (["train", "--depth", "1", "--tokens", "9k", "--text", "{empty}"], "is empty"),
        (["train", "--depth", "1", "--tokens", "9k", "--text", "{latin}"], "not UTF-8"),
        (["train", "--depth", "1", "--tokens", "9k", "--text", "{short}"], "less than one batch"),
        (["train", "--depth", "1", "--tokens", "9k", "--device", "abacus"], "cannot be used"),
        (["train", "--depth", "1", "--tokens", "9k", "--threads", "0"], "threads = 0"),
        (["distill", "--teacher", "ab", "--depth", "1", "--tokens", "9k"], "no run 'ab'"),
        (["sweep", "nowhere.toml"], "cannot read nowhere.toml"),
        (["runs", "--runs", "nowhere"], "no such folder"),
        (["runs", "--runs", "{folder}", "--where", "color"], "KEY=VALUE"),
        (["reproduce", "--project", "nowhere"], "clone"),
        (["corpus", "info", "--text", "{empty}"], "is empty"),
        (["corpus", "build", "--out", "{folder}", "--sources", "nothing"], "unknown source"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_errors_are_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    if "train" in arguments:
        pytest.importorskip("torch", reason="needs the extra 'lm'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1") * 5000)
    (tmp_path / "short.txt").write_bytes(b"a few words\n" * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept.txt").write_text("kept")
    names = {name: f"{name}.txt" for name in ("empty", "latin", "short")} | {"folder": "folder"}
    status, out, err = call(capsys, *(a.format(**names) for a in arguments))
    assert status == 2
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert (tmp_path / "folder" / "kept.txt").read_text() == "kept"
    assert not list(tmp_path.glob("runs/*"))


def test_full_disk_is_one_line_and_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    text_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    runs = tmp_path / "runs"
    line = ["train", "--depth", 1, "--text", text_folder, "--runs", runs, *SMALL, "--tokens"]
    assert call(capsys, *line, "2k")[0] == 0
    before = {p.name: p.read_bytes() for p in runs.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, _, err = call(capsys, *line, "3k")
    assert status == 2
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert {p.name: p.read_bytes() for p in runs.iterdir()} == before


def test_interruption_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("capgap.cli.corpus.load_corpus", stop)
    status, _, err = call(capsys, "corpus", "info")
    assert (status, err.count("\n")) == (130, 1)


def test_counts_are_refused_when_they_are_none() -> None:
    for text in ("", "M", "nan", "inf", "-1", "0.5", "1G"):
        with pytest.raises(argparse.ArgumentTypeError):
            count(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2e6", 2_000_000), ("1_024", 1024), ("1.5M", 1_500_000), ("64k", 64_000), ("2B", 2 * 10**9)],
)
def test_counts_are_read_as_people_write_them(text: str, value: int) -> None:
    assert count(text) == value


def test_corpus_info_describes_the_shipped_text(capsys: pytest.CaptureFixture[str]) -> None:
    info = json.loads(call(capsys, "corpus", "info", "--json")[1])
    assert sum(part["documents"] for part in info["parts"].values()) == 233
    assert sum(part["bytes"] for part in info["parts"].values()) == 10_761_413


def test_reproduce_help_states_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    from capgap.counts import short
    from capgap.reproduce import Choice

    text = call(capsys, "reproduce", "--help")[1]
    for value in (Choice().depth, short(Choice().tokens), Choice().seed):
        assert f"({value})" in text
