"""The main job from end to end on planted records, with a tiny teacher and real training."""

import csv
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from planted import CORPUS, records

from capgap.errors import InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunStore
from capgap.reproduce import Choice, Reproduction, reproduce
from capgap.reproduce.captions import CAPTIONS
from capgap.reproduce.project import find_project, theory_scripts
from capgap.reproduce.story import write_report

SCRIPT = """
from pathlib import Path

def run(out: Path) -> dict[str, float]:
    import base64
    out.mkdir(parents=True, exist_ok=True)
    dot = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAA"
        "AABJRU5ErkJggg=="
    )
    (out / "coefficient_audit.png").write_bytes(base64.b64decode(dot))
    claims = "id,verdict,source,statement,evidence\\nx,confirmed,us,Two is even,\\"2 = 1 + 1\\"\\n"
    (out / "claims.csv").write_text(claims)
    return {"answer": 42.0}
"""


@contextmanager
def silent(plan: object) -> Iterator[object]:
    yield lambda event: None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with planted runs and one teacher that was really trained."""
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    from capgap.lm.corpus import load_shipped
    from capgap.measurement.runs import execute

    place = tmp_path_factory.mktemp("clone")
    (place / "simulations").mkdir()
    (place / "simulations" / "measured_runs.toml").write_text("")
    (place / "simulations" / "coefficient_audit.py").write_text(SCRIPT)
    store = RunStore(place / "simulations" / "runs")
    for record in records(0.003):
        store.write(record)
    execute(teacher_config(), load_shipped(), store)
    return place


def teacher_config() -> RunConfig:
    return RunConfig(depth=1, tokens=8192, corpus=CORPUS, half="teacher", aspect_ratio=8)


@pytest.fixture(scope="module")
def result(project: Path) -> Reproduction:
    choice = Choice(depth=1, tokens=6144, teacher=teacher_config().id)
    said: list[str] = []
    made = reproduce(
        choice, out=project / "figures", runs=project / "new", watch=silent, say=said.append,
        project=project, processes=2, refits=30, public=("chinchilla",),
    )  # fmt: skip
    assert [line for line in said if not line.startswith(" ")] == list(made.seconds)
    return made


def test_prediction_is_written_before_the_training_ends(
    result: Reproduction, project: Path
) -> None:
    written = json.loads((project / "figures" / "prediction.json").read_text())
    assert written["prediction"] == json.loads(json.dumps(result.forecast.to_dict()))
    assert written["taught"]["id"] == result.taught.id
    assert written["written"] <= result.taught.machine.finished
    kept = {r.id for r in RunStore(project / "simulations" / "runs")}
    assert result.taught.id not in kept
    assert result.forecast.runs == len(kept)


def test_outcome_is_the_run_that_was_made(result: Reproduction, project: Path) -> None:
    assert result.primary.measured == RunStore(project / "new").read(result.taught.id).loss
    assert result.gain.difference == pytest.approx(
        (result.taught.loss or 0) - (result.alone.loss or 0), abs=1e-12
    )
    assert result.teacher.loss == result.taught.L_T
    with (project / "figures" / "forecast_and_outcome.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["measured"]) for r in rows] == [v.measured for v in result.verdicts]


def test_a_control_that_was_measured_before_is_called_so(
    result: Reproduction,
) -> None:
    assert result.alone_is_new
    assert "no test" not in write_report(result).read_text(encoding="utf-8")
    old = dataclasses.replace(result, alone_is_new=False)
    assert "is no test" in write_report(old).read_text(encoding="utf-8")


def test_report_tells_the_numbers(result: Reproduction) -> None:
    page = write_report(result).read_text(encoding="utf-8")
    for number in (
        f"{result.primary.measured:.4f}",
        f"{result.primary.prediction.loss:.4f}",
        f"{abs(result.gain.difference):.4f}",
        f"{result.taught.N:,}",
        result.taught.id,
    ):
        assert number in page
    assert ("OUTSIDE" in page) == (not result.primary.inside)
    assert page.count("<img") == 5
    assert "http" not in page


def test_every_picture_has_its_numbers_and_provenance(result: Reproduction, project: Path) -> None:
    for name in ("measured_supervised", "measured_distillation", "forecast_and_outcome"):
        for ending in ("png", "csv", "json"):
            assert (project / "figures" / f"{name}.{ending}").stat().st_size > 0
    with (project / "figures" / "measured_distillation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(result.laws.distillation_runs.L_S)
    for row, loss in zip(rows, result.laws.distillation_runs.L_S, strict=True):
        assert float(row["loss"]) == loss
        assert float(row["predicted_hinge"]) == pytest.approx(loss, rel=0.05)


def test_a_run_that_is_already_measured_cannot_be_predicted(project: Path) -> None:
    teacher = RunConfig(depth=1, tokens=2**22, corpus=CORPUS, half="teacher")
    store = RunStore(project / "simulations" / "runs")
    choice = Choice(depth=2, tokens=2**20, teacher=teacher.id)
    with pytest.raises(InputError, match="has no weights"):
        reproduce(
            choice, out=project / "f", runs=project / "r", watch=silent, say=print,
            project=project,
        )  # fmt: skip
    path = store.weights_path(teacher.id)
    path.write_bytes(b"")
    try:
        with pytest.raises(InputError, match="among the measured runs"):
            reproduce(
                choice, out=project / "f", runs=project / "r", watch=silent, say=print,
                project=project,
            )  # fmt: skip
    finally:
        path.unlink()


def test_project_is_found_or_its_absence_told(project: Path, tmp_path: Path) -> None:
    assert find_project(project) == project
    assert [p.name for p in theory_scripts(project)] == ["coefficient_audit.py"]
    with pytest.raises(InputError, match="run it in a clone"):
        find_project(tmp_path)


def test_claims_stand_in_the_report(result: Reproduction) -> None:
    page = write_report(result).read_text(encoding="utf-8")
    assert "<td>Two is even</td><td>confirmed</td><td>2 = 1 + 1</td>" in page
    assert "1 statements" in page


def test_every_picture_of_theory_has_its_caption() -> None:
    scripts = theory_scripts(Path(__file__).parents[2])
    assert {path.stem for path in scripts} == set(CAPTIONS)
