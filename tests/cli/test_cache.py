"""The cache commands as a user meets them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra 'lm'")

from cli.calls import answer, call

SMALL = ("--aspect-ratio", 8, "--sequence-length", 32)


@pytest.fixture
def teacher(
    text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[Path, str]:
    """A folder of runs with a teacher, and its id."""
    made = answer(
        capsys, "train", "--depth", 1, "--tokens", 1280, *SMALL, "--text", text_folder,
        "--runs", tmp_path / "runs",
    )  # fmt: skip
    return tmp_path / "runs", made["id"]


def build(
    capsys: pytest.CaptureFixture[str], teacher: tuple[Path, str], text: Path, *options: object
) -> tuple[int, str, str]:
    runs, name = teacher
    return call(
        capsys, "cache", "build", "--teacher", name, "--runs", runs, "--text", text,
        "--tokens", 640, *options,
    )  # fmt: skip


@pytest.mark.parametrize("action", [[], ["build"], ["verify"], ["stats"]])
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], action: list[str]) -> None:
    status, out, err = call(capsys, "cache", *action, "--help")
    assert (status, err) == (0, "")
    assert "example:\n  capgap cache" in out


def test_build_verify_stats(
    teacher: tuple[Path, str], text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty windows of 32 tokens; 4 x (2 + 1) + 2 bytes each token."""
    cache = tmp_path / "cache"
    status, out, err = build(capsys, teacher, text_folder, "--outputs", "top-k:4", "--out", cache)
    assert (status, err) == (0, "")
    assert out.startswith("top-k:4: 640 tokens in 1 shards\n  14.00 bytes per token (theory 14.00)")
    assert "73.1 times less than all logits in float32, 1,024 bytes" in out
    stats = answer(capsys, "cache", "stats", cache)
    assert (stats["tokens"], stats["bytes_per_token"], stats["complete"]) == (640, 14.0, True)
    checked = answer(capsys, "cache", "verify", cache)
    assert checked == {
        "files": 1, "bytes": 8960, "shards": 1, "planned": 1, "problems": [], "sound": True,
    }  # fmt: skip
    assert call(capsys, "cache", "verify", cache)[1] == (
        "1 files, 8,960 bytes: all as they were written\n"
    )
    about = json.loads((cache / "manifest.json").read_text())["about"]
    assert about["teacher"]["half"] == "teacher"
    assert 0 < about["L_T"] < 6


def test_a_damaged_cache_is_told_in_one_line(
    teacher: tuple[Path, str], text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    build(capsys, teacher, text_folder, "--outputs", "full", "--out", cache)
    shard = cache / "shard-000000.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    for command in (("verify", cache), ("verify", cache, "--json")):
        status, _, err = call(capsys, "cache", *command)
        assert status == 2
        assert err.count("\n") == 1
        assert "shard-000000.bin is damaged: 327679 bytes, must be 327680" in err
    status, _, err = call(capsys, "cache", "stats", tmp_path / "nothing")
    assert status == 2
    assert "holds no cache" in err


def test_bad_options_end_in_one_line(
    teacher: tuple[Path, str], text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        (("--outputs", "top-k"), "k = None is needed for top-k"),
        (("--outputs", "best"), "must be"),
        (("--outputs", "top-k:300"), "k = 300 must be at most the 256 tokens"),
        (("--outputs", "full", "--sequence-length", 64), "must be at most the teacher's, 32"),
        (("--outputs", "full", "--threads", 0), "threads = 0 must be at least 1"),
        (("--outputs", "full", "--device", "nowhere"), "cannot be used"),
    ]
    for options, words in cases:
        status, out, err = build(capsys, teacher, text_folder, *options, "--out", tmp_path / "c")
        assert (status, out) == (2, ""), options
        assert err.count("\n") == 1
        assert words in err, options
    runs, name = teacher
    status, _, err = call(
        capsys, "cache", "build", "--teacher", name, "--runs", runs, "--tokens", 640,
        "--outputs", "full", "--out", tmp_path / "c",
    )  # fmt: skip
    assert status == 2
    assert "name its text with --text" in err
