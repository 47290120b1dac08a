"""``capgap calibrate``: runs and files, JSON, words, pictures, and one line for what is wrong."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capgap.cli.calibrate import add_commands
from capgap.errors import InputError
from capgap.measurement.calibration.distribution import ece_dist
from capgap.measurement.calibration.fixed_point import IntArray
from capgap.measurement.calibration.predictions import FloatArray


def calibrate(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers(required=True))
    options = parser.parse_args(["calibrate", *map(str, arguments)])
    options.run(options)


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    calibrate(*arguments, "--json")
    out, err = capsys.readouterr()
    assert err == ""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(out, parse_constant=refuse)
    return found


def refusal(*arguments: object) -> str:
    """The error's text, which is one line."""
    with pytest.raises(InputError) as error:
        calibrate(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def rows(seed: int, n: int = 400) -> FloatArray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), size=n)


def drawn(probabilities: FloatArray, seed: int) -> IntArray:
    """Labels drawn with the stated probabilities: calibrated by construction."""
    u = np.random.default_rng(seed).random((len(probabilities), 1))
    return np.asarray((u > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    p, q = rows(0), rows(1)
    np.savez(tmp_path / "true.npz", probabilities=p, labels=drawn(p, 2))
    np.savez(tmp_path / "sure.npz", confidence=np.full(400, 0.9), outcome=np.arange(400) % 2)
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "q.npy", q)
    return tmp_path


def test_calibrated_rows_and_sure_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ECE of confidence .9 where half come true: .4, by hand."""
    found = answer(capsys, folder / "true.npz")
    assert found["calibrated"] is True
    assert found["null"]["p_value"] > 0.05
    assert found["interval"][0] == 0.0
    found = answer(capsys, folder / "sure.npz")
    assert found["ece"] == pytest.approx(0.4, abs=1e-12)
    assert found["interval"][0] < 0.4 < found["interval"][1]
    assert found["calibrated"] is False
    assert found["null"]["p_value"] <= 0.001
    assert found["measures"]["mean_gap"] == pytest.approx(-0.4, abs=1e-12)
    assert len(found["table"]) == 21
    (filled,) = [row for row in found["table"] if row["count"]]
    assert (filled["count"], filled["outcome"]) == (400, 0.5)
    assert filled["low"] <= 0.9 < filled["high"]


def test_reference_and_its_readings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, folder / "true.npz", "--reference", folder / "q.npy")
    assert found["against"] == "matched"
    assert set(found["readings"]) == {"data", "matched", "own", "top-1"}
    p, q = rows(0), rows(1)
    assert found["ece"] == pytest.approx(ece_dist(q, p), abs=1e-12)
    own = ece_dist(q, p, reading="own")
    assert found["readings"]["own"]["ece"] == pytest.approx(own, abs=1e-12)
    same = answer(capsys, folder / "p.npy", "--reference", folder / "p.npy")
    assert (same["ece"], same["null"]["p_value"], same["calibrated"]) == (0.0, 1.0, True)


def test_bins_of_equal_mass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, folder / "true.npz", "--bins", 5, "--equal-mass")
    assert [row["count"] for row in found["table"]] == [80] * 5
    width = answer(capsys, folder / "true.npz", "--bins", 5)
    assert len({row["count"] for row in width["table"]}) > 2


def test_seed_decides_the_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (
        answer(capsys, folder / "true.npz", "--seed", seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["interval"] != other["interval"]
    assert first["ece"] == other["ece"]


def test_words_and_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = folder / "new" / "diagram.png"
    calibrate(folder / "sure.npz", "--figure", picture)
    out = capsys.readouterr().out
    first, *rest = out.splitlines()
    assert first.startswith("against data: ECE 40.00% (95% interval ")
    assert first.endswith("over-confident (p = 0.001)")
    assert any("-40.00%*" in line for line in rest)
    assert picture.read_bytes().startswith(b"\x89PNG")
    calibrate(folder / "true.npz")
    assert "cannot be told from calibrated" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["p.npy"], "must hold labels"),
        (["sure.npz", "--bins", 0], "bins = 0 must be at least 1"),
        (["sure.npz", "--seed", -1], "seed = -1 must be at least 0"),
        (["sure.npz", "--figure", "a.pdf"], "a.pdf must end in .png"),
        (["true.npz", "--reference", "3f9a"], "reference must be a file of the same rows"),
        (["true.npz", "--reference", "sure.npz"], "must hold probabilities"),
        (["words.txt"], "no such folder: runs"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    folder: Path, arguments: Sequence[object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    named = [
        folder / str(a) if str(a).endswith((".npz", ".npy", ".txt", ".pdf")) else a
        for a in arguments
    ]
    assert told in refusal(*named)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str], int]:
    """Folder, texts, two short runs in a folder each, and the number of validation documents."""
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    from capgap.lm.config import RunConfig
    from capgap.lm.corpus import load_text
    from capgap.measurement.records import RunStore
    from capgap.measurement.runs import execute

    folder = tmp_path_factory.mktemp("calibrate")
    (folder / "texts").mkdir()
    rng = np.random.default_rng(8)
    for i in range(60):
        words = " ".join(rng.choice(["to", "be", "or", "not"], size=40))
        (folder / "texts" / f"{i:02d}.txt").write_text(words, encoding="utf-8")
    corpus, names = load_text([folder / "texts"]), []
    for half in ("teacher", "student"):
        config = RunConfig(
            depth=1, tokens=1024, corpus=corpus.fingerprint, sequence_length=32, batch_size=4,
            half=half,
        )  # fmt: skip
        names.append(execute(config, corpus, RunStore(folder / half)).id)
    return folder, folder / "texts", names, len(corpus.validation)


def test_runs_in_several_folders(
    runs: tuple[Path, Path, list[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, texts, (teacher, student), documents = runs
    where = ["--runs", folder / "teacher", "--runs", folder / "student", "--text", texts]
    found = answer(capsys, student[:8], "--reference", teacher, *where)
    assert (found["model"], found["reference"], found["against"]) == (student, teacher, "matched")
    assert found["text"] == found["trained_on"]
    assert found["groups"] == documents
    alone = answer(capsys, student, *where)
    assert alone["against"] == "data"
    assert {"ece", "interval", "table", "null", "measures"} <= set(alone)
    assert alone["ece"] == found["readings"]["data"]["ece"]
    windows = answer(capsys, student, "--group-by", "window", *where)
    assert (windows["ece"], windows["table"][0]["count"]) == (
        alone["ece"], alone["table"][0]["count"],
    )  # fmt: skip
    assert windows["groups"] > documents
    mass = answer(capsys, student, "--equal-mass", "--bins", 3, *where)
    counts = [row["count"] for row in mass["table"]]
    assert sum(counts) == alone["predictions"]
    # Ties (a model of few contexts) keep bins from being exactly equal.
    assert max(counts) < 0.7 * sum(counts)


def test_runs_that_are_not_there(runs: tuple[Path, Path, list[str], int]) -> None:
    folder, texts, (teacher, _), _ = runs
    where = ["--runs", folder / "student", "--text", texts]
    assert f"no run {teacher!r} in {folder / 'student'}; a file must" in refusal(teacher, *where)
    assert "no run ''" in refusal("", *where)
    assert "no such folder" in refusal(teacher, "--runs", folder / "nowhere")
    told = refusal(teacher, "--reference", "p.npy", "--runs", folder / "teacher")
    assert "must be a run, not a file" in told
