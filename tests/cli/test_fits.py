"""fit, rollout and compare-laws as a user and a program meet them."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli.calls import answer, call

from capgap.cli.main import build_parser
from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.tables.read import read_runs
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

OWN = SupervisedLaw(E=1.6, A=400.0, B=2000.0, alpha=0.35, beta=0.4)
HINGE = HingeLaw(OWN, rho=0.8, s=0.05, c=0.3)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 3e9, 6), np.geomspace(4e8, 6e10, 6)))
N_S, D_S, L_T = (
    a.ravel() for a in np.meshgrid([3e7, 3e8, 2e9], [1e9, 1e10, 5e10], np.linspace(2.0, 3.4, 7))
)
COMMANDS = ("fit", "rollout", "compare-laws")
QUICK = ("--bootstrap", "40")


def noise(size: int, seed: int) -> np.ndarray:
    return np.exp(0.004 * np.random.default_rng(seed).standard_normal(size))


def write(path: Path, **columns: np.ndarray) -> Path:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "alone.csv", N=N, D=D,
                 loss=OWN.loss(N, D) * noise(N.size, 0))  # fmt: skip


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "taught.csv", N_S=N_S, D_S=D_S, L_T=L_T,
                 L_S=HINGE.loss(N_S, D_S, L_T) * noise(N_S.size, 1))  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_in_an_example_that_parses(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    status, out, err = call(capsys, command, "--help")
    assert (status, err) == (0, "")
    heading, example = out.rstrip("\n").split("\n")[-2:]
    assert heading == "example:"
    import shlex

    build_parser().parse_args(shlex.split(example)[1:])


def test_fit_gives_what_the_library_gives(capsys: pytest.CaptureFixture[str], alone: Path) -> None:
    found = answer(capsys, "fit", alone, "--law", "plain", "--delta", "0.01", *QUICK)
    runs = read_runs(alone)
    fit = fit_supervised(runs.N, runs.D, runs.loss, gamma=1.0, delta=0.01)
    assert found["coefficients"] == pytest.approx(fit.coefficients, rel=1e-5)
    assert found["objective"] == pytest.approx(fit.objective, rel=1e-8)
    assert (found["law"], found["n_runs"], found["status"]) == ("plain", 36, "converged")
    for name, (low, high) in found["intervals"].items():
        assert low <= found["coefficients"][name] <= high
    assert found["settings"]["delta"] == 0.01


def test_text_names_every_number_of_the_json(
    capsys: pytest.CaptureFixture[str], alone: Path
) -> None:
    found = answer(capsys, "fit", alone, "--law", "plain", *QUICK)
    status, out, _ = call(capsys, "fit", alone, "--law", "plain", *QUICK)
    assert status == 0
    for name in ("E", "A", "B", "alpha", "beta"):
        assert f"{found['coefficients'][name]:.5g}" in out
    assert f"status: {found['status']}" in out
    for warning in found["warnings"]:
        assert warning["code"] in out
        assert warning["message"] in out


def test_saved_fit_predicts_and_plans(
    capsys: pytest.CaptureFixture[str], alone: Path, taught: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "fit.json"
    fitted = answer(
        capsys, "fit", taught, "--law", "hinge", "--terms", "tokens", "--supervised", alone,
        *QUICK, "--at", "N_S=300M,D_S=1e10,L_T=2.5", "--out", saved,
    )  # fmt: skip
    predicted = answer(
        capsys, "predict", "--student", "300M", "--tokens", "1e10", "--teacher-loss", "2.5",
        "--coefficients", saved, "--draws", "20",
    )  # fmt: skip
    losses = json.dumps(predicted)
    assert f"{fitted['predictions'][0]['loss']:.10g}"[:8] in losses
    plan = answer(
        capsys, "plan", "--student", "300M", "--budget", "1e20", "--scenario", "best",
        "--coefficients", saved, "--draws", "5",
    )  # fmt: skip
    assert plan["coefficients"]["name"] == "fit"


def test_a_saved_supervised_fit_is_the_law_beneath(
    capsys: pytest.CaptureFixture[str], alone: Path, taught: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "alone.json"
    first = answer(capsys, "fit", alone, "--law", "supervised", *QUICK, "--out", saved)
    above = answer(capsys, "fit", taught, "--law", "distillation-reduced", *QUICK,
                   "--supervised", saved, "--profiles", "none")  # fmt: skip
    assert above["supervised_law"]["coefficients"] == first["coefficients"]
    named = answer(capsys, "fit", taught, "--law", "distillation-power", *QUICK,
                   "--supervised", "reconstructed", "--profiles", "none")  # fmt: skip
    assert named["supervised_law"]["coefficients"]["E"] == 1.22


def test_mapped_columns_and_filters(
    capsys: pytest.CaptureFixture[str], alone: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.csv", params=N, tokens=D, val_loss=OWN.loss(N, D),
                  bad=np.arange(N.size) % 2 + 0.0)  # fmt: skip
    columns = "N=params,D=tokens,loss=val_loss"
    found = answer(capsys, "fit", other, "--law", "plain", "--columns", columns,
                   "--where", "bad<0.5", "--bootstrap", "0")  # fmt: skip
    assert found["n_runs"] == 18
    assert found["coefficients"]["alpha"] == pytest.approx(0.35, rel=1e-6)
    assert found["intervals"] == {}


def test_pictures_and_their_numbers(
    capsys: pytest.CaptureFixture[str], alone: Path, tmp_path: Path
) -> None:
    call(capsys, "fit", alone, "--law", "plain", *QUICK, "--profiles", "all",
         "--figures", tmp_path)  # fmt: skip
    call(capsys, "rollout", alone, "--law", "plain", "--cutoff", "C<1e19", "--forward", "4",
         *QUICK, "--figures", tmp_path)  # fmt: skip
    call(capsys, "compare-laws", alone, "--bootstrap", "0", "--figures", tmp_path)
    for name in ("fit_residuals", "fit_quality", "fit_intervals", "fit_profiles", "rollout",
                 "forward_chain", "law_comparison"):  # fmt: skip
        for ending in ("png", "svg", "csv", "json"):
            assert (tmp_path / f"{name}.{ending}").stat().st_size > 100, name


def test_rollout_is_a_fit_to_the_rest(capsys: pytest.CaptureFixture[str], alone: Path) -> None:
    found = answer(capsys, "rollout", alone, "--law", "plain", "--cutoff", "C<1e19", *QUICK)
    runs = read_runs(alone)
    keep = 6 * runs.N * runs.D < 1e19
    fit = fit_supervised(runs.N[keep], runs.D[keep], runs.loss[keep], gamma=1.0)
    error = fit.law.loss(runs.N[~keep], runs.D[~keep]) / runs.loss[~keep] - 1
    assert found["n_fitted"] == keep.sum()
    assert found["median"] == pytest.approx(np.median(np.abs(error)), rel=1e-3)
    assert found["maximum"] == pytest.approx(np.max(np.abs(error)), rel=1e-3)
    chained = answer(capsys, "rollout", alone, "--law", "plain", "--cutoff", "loss>=2.5",
                     "--forward", "4", *QUICK)  # fmt: skip
    assert sum(row["predictions"] for row in chained["forward"]["ahead"]) > 0


def test_comparison_names_the_law_that_was_planted(
    capsys: pytest.CaptureFixture[str], alone: Path, taught: Path
) -> None:
    found = answer(capsys, "compare-laws", taught, "--laws", "distillation-reduced,hinge",
                   "--supervised", alone, "--bootstrap", "0")  # fmt: skip
    assert found["best"] == ["hinge"]
    assert found["pairs"][0]["verdict"] == "hinge"
    status, out, _ = call(capsys, "compare-laws", alone, "--bootstrap", "0", "--groups", "N")
    assert status == 0
    assert "not beaten by another" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "nowhere.csv", "--law", "plain"), "must be a file, a folder or one of"),
        (("fit", "chinchilla", "--law", "cubic"), "invalid choice"),
        (("fit", "chinchilla", "--law", "hinge"), "no column 'L_T'"),
        (("fit", "chinchilla", "--law", "plain", "--at", "N=1B"), "--at: N must be N, D"),
        (("fit", "chinchilla", "--law", "plain", "--at", "70B"), "must be NAME=VALUE"),
        (("fit", "chinchilla", "--law", "plain", "--at", "N=1B,D=x"), "--at: "),
        (("fit", "chinchilla", "--law", "plain", "--bootstrap", "1"), "refits = 1"),
        (("fit", "chinchilla", "--law", "plain", "--terms", "z"), "terms has 'z'"),
        (("fit", "chinchilla", "--law", "plain", "--level", "1.5"), "level = 1.5"),
        (("fit", "chinchilla", "--law", "plain", "--standard-errors"), "standard errors"),
        (("fit", "chinchilla", "--law", "plain", "--supervised", "printed"), "--supervised"),
        (("fit", "chinchilla", "--law", "plain", "--seed", "-1"), "seed = -1"),
        (("rollout", "chinchilla", "--law", "plain", "--cutoff", "C=1e21"), "cutoff"),
        (("rollout", "chinchilla", "--law", "plain", "--cutoff", "C<1e10"), "0 runs below"),
        (("compare-laws", "chinchilla", "--laws", "plain"), "1 laws, must be at least 2"),
        (("compare-laws", "chinchilla", "--laws", "plain,hinge"), "all be with teachers or all"),
        (("compare-laws", "chinchilla", "--groups", "L_T"), "groups = 'L_T' must be"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["", "N,D,loss\n", "N,D\n1,2\n", "N,D,loss\n1e7,1e9,abc\n", "N,D,loss\n1e7,1e9,nan\n",
     "N,D,loss\n1e7,1e9,-3\n", "N,D,loss\n1e7,1e9\n", "\x00\x01\x02"],
)  # fmt: skip
def test_bad_files_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    status, out, err = call(capsys, "fit", path, "--law", "plain")
    assert (status, out) == (2, "")
    assert "bad.csv" in err
    assert err.count("\n") == 1


def test_standard_errors_are_what_the_law_is_tested_against(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Gadre's standard errors are those of the evaluation text; runs scatter by far more."""
    status, out, _ = call(capsys, "fit", "gadre-c4", "--law", "plain", "--standard-errors",
                          "--bootstrap", "0")  # fmt: skip
    assert status == 0
    assert "status: lack-of-fit" in out
    assert "nothing to test a lack of fit against" not in out


def test_one_token_count_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", N=np.geomspace(1e7, 1e9, 9), D=np.full(9, 1e9),
                 loss=np.linspace(3.5, 2.5, 9))  # fmt: skip
    status, _, err = call(capsys, "fit", path, "--law", "plain")
    assert status == 2
    assert "D" in err
    assert err.count("\n") == 1
