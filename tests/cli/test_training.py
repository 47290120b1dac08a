"""train and distill as a user meets them: losses, schedules, several teachers, stored outputs."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.calls import call

pytest.importorskip("torch", reason="needs the extra 'lm'")

SMALL = ["--aspect-ratio", 8, "--sequence-length", 32]


@pytest.fixture
def place(text_folder: Path, tmp_path: Path) -> list[Any]:
    return ["--text", text_folder, "--runs", tmp_path / "runs", *SMALL]


def made(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    status, out, err = call(capsys, *arguments, "--json")
    assert (status, err) == (0, "")
    record: dict[str, Any] = json.loads(out)
    assert record["status"] == "ok"
    return record


def test_every_option_reaches_the_configuration(
    capsys: pytest.CaptureFixture[str], place: list[Any]
) -> None:
    teachers = [
        made(capsys, "train", "--depth", 1, "--tokens", "5k", "--half", "teacher", "--seed", s,
             *place)
        for s in (0, 1)
    ]  # fmt: skip
    first, second = (teacher["id"] for teacher in teachers)
    student = ["distill", "--depth", 1, "--tokens", "5k", *place, "--teacher", first[:8]]
    record = made(
        capsys, *student, "--teacher", f"{second[:8]}:0.3", "--loss", "jsd", "--jsd-beta", 0.3,
        "--temperature-schedule", "2,3,1", "--weight-schedule", "1,0.5,cosine",
        "--data-seed", 7, "--micro-batch-size", 3,
    )  # fmt: skip
    config = record["config"]
    assert config["divergence"] == "jsd"
    assert config["jsd_beta"] == 0.3
    assert config["temperature_schedule"] == {"start": 2.0, "rate": 3.0, "final": 1.0}
    assert config["weight_schedule"] == {"start": 1.0, "end": 0.5, "shape": "cosine"}
    assert config["distillation_weight"] == 1.0
    assert config["data_seed"] == 7
    (share,) = config["further_teachers"]
    assert share["weight"] == 0.3
    assert share["teacher"] == teachers[1]["config"]
    # The mixture of two teachers is better than the weighted mean of their losses (Jensen).
    assert record["L_T"] < 0.7 * teachers[0]["loss"] + 0.3 * teachers[1]["loss"]

    again = call(capsys, *student)
    assert again[0] == 0
    plain = made(capsys, *student)
    assert "divergence" not in plain["config"]
    assert plain["L_T"] == teachers[0]["loss"]


def test_stored_outputs_are_made_once_and_named(
    capsys: pytest.CaptureFixture[str], place: list[Any], tmp_path: Path
) -> None:
    teacher = made(capsys, "train", "--depth", 1, "--tokens", "5k", "--half", "teacher", *place)
    student = ["distill", "--tokens", "5k", *place, "--teacher", teacher["id"]]
    stored = made(capsys, *student, "--depth", 1, "--outputs", "top-k:4")
    outputs = stored["config"]["teacher_outputs"]
    assert (outputs["kind"], outputs["k"], outputs["tail"]) == ("top-k", 4, "bucket")
    (cache,) = (tmp_path / "runs" / ".caches").iterdir()
    before = {p.name: p.stat().st_mtime_ns for p in cache.iterdir()}
    made(capsys, *student, "--depth", 2, "--outputs", "top-k:4")
    assert {p.name: p.stat().st_mtime_ns for p in cache.iterdir()} == before
    # The same cache by its folder: the same run.
    named = ["distill", "--tokens", "5k", *place, "--cache", cache, "--depth", 1]
    record = made(capsys, *named)
    assert record["config"]["data_seed"] == 0
    assert record["loss"] == stored["loss"]


def test_a_run_that_stops_by_itself_says_so(
    capsys: pytest.CaptureFixture[str], place: list[Any]
) -> None:
    line = ["train", "--depth", 1, "--tokens", "60k", *place, "--adaptive"]
    record = made(capsys, *line, 1e-3)
    assert record["D"] < 60_000
    assert record["config"]["adaptive"]["least_gain"] == 1e-3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give --teacher or --cache"),
        (["--teacher", "ab", "--weight", 0.5, "--weight-schedule", "1,0"], "not allowed with"),
        (["--teacher", "ab", "--temperature-schedule", "1,2"], "three numbers"),
        (["--teacher", "ab", "--temperature-schedule", "1,2,x"], "must be numbers"),
        (["--teacher", "ab", "--weight-schedule", "a,b"], "must be numbers"),
        (["--teacher", "ab", "--weight-schedule", "1"], "two numbers"),
        (["--teacher", "/dev/null"], "must be the id of a run"),
        (["--teacher", "ab", "--outputs", "top-q:3"], "top-q"),
        (["--teacher", "ab", "--loss", "kl"], "invalid choice"),
        (["--cache", "nowhere"], "nowhere"),
        (["--cache", "nowhere", "--outputs", "full"], "leave out --outputs"),
    ],
    ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, list) else None,
)
def test_errors_are_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], place: list[Any], arguments: list[Any], told: str
) -> None:
    status, out, err = call(capsys, "distill", "--depth", 1, "--tokens", "5k", *place, *arguments)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
