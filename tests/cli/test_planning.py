"""predict, plan, thresholds and coefficients as a user and a program meet them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli.calls import answer, call

from capgap.cli.main import build_parser
from capgap.cli.options import real_number
from capgap.prediction.thresholds import thresholds
from capgap.theory.coefficients import law_set
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws, LawSet, load_law_set, save_law_set
from capgap.theory.supervised import SupervisedLaw

LAWS = law_set("reconstructed")
TEACHERS = "name,parameters,tokens,loss\nsmall,198M,3.96B,\nmid,1.82B,36.4B,\napi,70B,,1.95\n"
PREDICT = ["predict", "--student", "1e9", "--tokens", "2e10"]
PLAN = ["plan", "--student", "1B", "--budget", "1e22", "--draws", "10"]


@pytest.mark.parametrize("command", ["predict", "plan", "thresholds", "coefficients"])
def test_help_ends_in_an_example_that_parses(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    status, out, err = call(capsys, command, "--help")
    assert (status, err) == (0, "")
    heading, example = out.rstrip("\n").split("\n")[-2:]
    assert heading == "example:"
    assert example.strip().startswith(f"capgap {command}")
    build_parser().parse_args(example.split()[1:])


def test_predict_is_the_law(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("printed", "reconstructed"):
        found = answer(capsys, *PREDICT, "--teacher-loss", "2.1", "--coefficients", name)
        law = law_set(name)
        assert found["student_loss"] == float(law.taught.loss(1e9, 2e10, 2.1))
        assert found["supervised_loss"] == float(law.supervised.loss(1e9, 2e10))
        assert found["gain"] == found["supervised_loss"] - found["student_loss"]
        assert found["interval"] == found["intervals"]["student_loss"]
        low, high = found["interval"]
        assert low < found["student_loss"] < high
        assert found["coefficients"]["name"] == name


def test_predict_with_a_teacher_of_the_supervised_law(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, *PREDICT, "--teacher", "7.75e9:1.55e11")
    L_T = float(LAWS.supervised.loss(7.75e9, 1.55e11))
    assert found["teacher_loss"] == L_T
    assert found["student_loss"] == float(LAWS.taught.loss(1e9, 2e10, L_T))
    assert found["intervals"]["teacher_loss"][0] < L_T
    knee = float(LAWS.taught.knee(1e9, 2e10))
    assert found["knee"] == knee
    assert found["regime"] == ("capacity gap" if knee > L_T else "imitation")


def test_numbers_are_read_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    first = answer(capsys, *PREDICT, "--teacher-loss", "2.1")
    second = answer(
        capsys, "predict", "--student", "1B", "--tokens", "20_000M", "--teacher-loss", "2.1"
    )
    assert first == second
    values = [real_number(text) for text in ("300M", "1T", "1e22", "7.75B", "0.5", "64k")]
    assert values == [3e8, 1e12, 1e22, 7.75e9, 0.5, 64e3]


@pytest.mark.parametrize("scenario", ["supervised", "best", "inference", "pretraining", "both"])
@pytest.mark.parametrize(("size", "budget"), [("300M", 1e20), ("1B", 1e22), ("10B", 1e24)])
def test_plan_is_the_allocation(
    capsys: pytest.CaptureFixture[str], scenario: str, size: str, budget: float
) -> None:
    found = answer(
        capsys, "plan", "--student", size, "--budget", f"{budget:g}", "--scenario", scenario,
        "--draws", 10,
    )  # fmt: skip
    from capgap.prediction.allocation import allocate

    plan = allocate(LAWS, real_number(size), budget, scenario)  # type: ignore[arg-type]
    alone = allocate(LAWS, real_number(size), budget, "supervised")
    assert found["scenario"] == scenario
    assert found["student_loss"] == float(plan.student_loss)
    assert found["supervised_loss"] == float(alone.student_loss)
    assert found["student_tokens"] == float(plan.D_S)
    flops = found["flops"]
    parts = ("student_training", "teacher_inference", "teacher_pretraining")
    assert flops["total"] == pytest.approx(sum(flops[p] for p in parts), rel=1e-14)
    assert flops["total"] == pytest.approx(budget, rel=1e-9)
    assert found["advice"].endswith(".")
    if scenario == "supervised":
        assert [found[k] for k in ("teacher_parameters", "teacher_loss", "flat")] == [None] * 3
        assert (found["verdict"], found["gain"]) == ("train alone", 0)
        return
    assert found["teacher_parameters"] == float(plan.N_T)
    low, high = found["intervals"]["gain"]
    expected = "undecided" if low <= 0 <= high else "distil" if low > 0 else "train alone"
    assert found["verdict"] == expected
    low, high = found["flat"]["teacher_loss"]
    assert low < found["teacher_loss"] < high
    assert (found["flat"]["teacher_parameters"] is None) == (scenario == "best")


def test_the_same_seed_gives_the_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, other = (answer(capsys, *PLAN, "--seed", seed) for seed in (1, 1, 2))
    assert first == second
    assert first["intervals"] != other["intervals"]
    assert first["student_loss"] == other["student_loss"]


def test_a_higher_level_is_a_wider_interval(capsys: pytest.CaptureFixture[str]) -> None:
    widths = []
    for level in (0.5, 0.9, 0.99):
        low, high = answer(capsys, *PREDICT, "--teacher-loss", 2.1, "--level", level)["interval"]
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_which_of_my_teachers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "teachers.csv"
    file.write_text(TEACHERS)
    line = ["plan", "--student", "300M", "--budget", "1e20", "--draws", "50"]
    found = answer(capsys, *line, "--teachers", file, "--scenario", "best")
    names = [option["name"] for option in found["teachers"]]
    losses = [option["student_loss"] for option in found["teachers"]]
    assert names[0] == "mid"
    assert losses == sorted(losses)
    assert found["student_loss"] == losses[0]
    assert found["teacher_parameters"] == 1.82e9
    assert found["lead"] == losses[1] - losses[0]
    assert sum(option["share_best"] for option in found["teachers"]) == pytest.approx(1)
    assert "'mid'" in found["advice"]
    # A teacher that is there costs its inference unless told otherwise.
    assert answer(capsys, *line, "--teachers", file)["scenario"] == "inference"
    text = call(capsys, *line, "--teachers", file)[1]
    assert "best in draws" in text
    assert "lead of " in text


def test_limits_on_tokens_and_shared_teachers(capsys: pytest.CaptureFixture[str]) -> None:
    limited = answer(
        capsys, *PLAN, "--scenario", "inference", "--student-tokens", "100B",
        "--teacher-tokens", "1T",
    )  # fmt: skip
    assert limited["student_tokens"] == pytest.approx(1e11, rel=1e-12)
    assert limited["teacher_tokens"] <= 1e12 * (1 + 1e-12)
    assert any("unspent" in text for text in limited["warnings"])
    alone = answer(capsys, *PLAN, "--scenario", "both")
    shared = answer(capsys, *PLAN, "--scenario", "both", "--students", "10")
    outputs = answer(capsys, *PLAN, "--scenario", "both", "--students", "10", "--shared-outputs")
    assert outputs["student_loss"] < shared["student_loss"] < alone["student_loss"]


@pytest.mark.parametrize(
    ("arguments", "outside"),
    [
        (["--teacher-loss", "2.5"], []),
        (["--teacher-loss", "1.9"], ["L_T = 1.9 is below"]),
        (["--teacher-loss", "2.5", "--tokens", "1T"], ["D_S = 1e+12 is above"]),
    ],
)
def test_extrapolation_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], outside: list[str]
) -> None:
    found = answer(capsys, *PREDICT, *arguments)
    told = [text for text in found["warnings"] if "fitted range" in text and " is " in text]
    assert [text.startswith(start) for text, start in zip(told, outside, strict=False)] == [
        True for _ in outside
    ]
    assert ("this is an extrapolation" in found["advice"]) == bool(outside)


def test_independent_draws_are_owned_up_to_and_joint_draws_are_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    marginal = answer(capsys, *PREDICT, "--teacher-loss", "2.1")
    assert any("independently" in text for text in marginal["warnings"])
    joint = replace(LAWS, name="mine", intervals={}, draws=LAWS.sample(30, 0))
    save_law_set(joint, tmp_path / "mine.json")
    mine = ["--teacher-loss", "2.1", "--coefficients", tmp_path / "mine.json"]
    found = answer(capsys, *PREDICT, *mine)
    assert not any("independently" in text for text in found["warnings"])
    assert found["coefficients"]["name"] == "mine"
    assert found["student_loss"] == marginal["student_loss"]


def test_another_law_works_everywhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A hinge law with a rho that needs some tokens before it is positive."""
    own = SupervisedLaw(E=1.2, A=400.0, B=2000.0, alpha=0.3, beta=0.35)
    hinge = HingeLaw(own, rho=1.0, s=0.1, c=0.2, r=30.0, m=0.3)
    laws = LawSet("hinge", Laws(own, hinge), "a test", intervals={"taught.c": (0.15, 0.25)})
    save_law_set(laws, tmp_path / "hinge.json")
    file = ["--coefficients", tmp_path / "hinge.json"]
    assert answer(capsys, *PREDICT, "--teacher-loss", "2.1", *file)["student_loss"] == float(
        hinge.loss(1e9, 2e10, 2.1)
    )
    for scenario in ("best", "inference", "both"):
        found = answer(capsys, *PLAN, "--scenario", scenario, *file)
        assert found["intervals"]["gain"][0] <= found["intervals"]["gain"][1]


def test_coefficients_go_out_and_come_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = call(capsys, "coefficients", "printed")
    assert (status, err) == (0, "")
    file = tmp_path / "edited.json"
    record = json.loads(out)
    record["coefficients"]["supervised.E"] = 1.3
    file.write_text(json.dumps(record))
    found = answer(capsys, *PREDICT, "--teacher-loss", "2.1", "--coefficients", file)
    difference = found["supervised_loss"] - float(LAWS.supervised.loss(1e9, 2e10))
    assert difference == pytest.approx(1.3 - 1.22, rel=1e-9)
    status, out, err = call(capsys, "coefficients", "printed", "--out", tmp_path / "p.json")
    assert (status, err) == (0, "")
    assert str(tmp_path / "p.json") in out
    assert load_law_set(tmp_path / "p.json") == law_set("printed")


@pytest.mark.parametrize("size", ["300M", "1B", "10B"])
def test_thresholds_of_three_students(capsys: pytest.CaptureFixture[str], size: str) -> None:
    found = answer(capsys, "thresholds", "--student", size, "--draws", "4")
    assert list(found["scenarios"]) == ["best", "inference", "pretraining", "both"]
    best, inference = (found["scenarios"][name]["budget"] for name in ("best", "inference"))
    assert inference < best  # the dearer the teacher, the earlier training alone catches up
    status, out, err = call(capsys, "thresholds", "--student", size, "--draws", "4")
    assert (status, err) == (0, "")
    assert "nan" not in out


def test_thresholds_are_those_solved(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["thresholds", "--student", "1e9", "--scenario", "best", "--draws", "20"]
    found = answer(capsys, *line)
    (solved,) = thresholds(LAWS, 1e9, "best", budgets=(1e17, 1e27))
    assert solved.catch_up is not None
    best = found["scenarios"]["best"]
    assert best["budget"] == solved.catch_up.budget
    assert best["crossings"][-1]["supervised_tokens"] == solved.catch_up.D_S_alone
    assert 0 < best["never"] < 1  # in some draws training alone never catches up: the end is null
    assert best["interval"][1] is None
    assert best["interval"][0] < best["budget"]
    text = call(capsys, *line)[1]
    assert f"{solved.catch_up.budget:.3g}" in text
    assert "never" in text


@pytest.mark.parametrize("scenario", ["supervised", "best", "inference"])
def test_target_loss_is_the_plan_backwards(
    capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    """The plan for the least budget has the target as its loss, and planning again agrees."""
    line = ["plan", "--student", "10B", "--scenario", scenario, "--draws", "20"]
    found = answer(capsys, *line, "--target-loss", "2")
    assert found["student_loss"] == pytest.approx(2, abs=1e-9)
    again = answer(capsys, *line, "--budget", repr(found["budget"]))
    assert again["student_loss"] == pytest.approx(2, abs=1e-9)
    low, high = found["budget_interval"]
    assert low < found["budget"] < high
    ratio = found["supervised_budget"] / found["budget"]
    assert found["compute_ratio"] == ratio
    # At the budget of either way the other is not better: the loss falls with the budget.
    assert (ratio > 1) == (again["supervised_loss"] > again["student_loss"])
    text = call(capsys, *line, "--target-loss", "2")[1]
    assert f"{found['budget']:.3g}" in text


def test_serving_is_paid_from_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["plan", "--budget", "1e22", "--draws", "10", "--scenario", "inference"]
    free = answer(capsys, *line, "--serve", "1T")
    F = LAWS.family.forward_flops
    flops, size = free["flops"], free["student_parameters"]
    assert flops["serving"] == pytest.approx(float(F(size)) * 1e12, rel=1e-12)
    parts = ("student_training", "teacher_inference", "teacher_pretraining", "serving")
    assert flops["total"] == pytest.approx(sum(flops[part] for part in parts), rel=1e-12)
    assert flops["total"] == pytest.approx(1e22, rel=1e-9)
    low, high = free["student_parameters_flat"]
    assert low < size < high
    # By definition of the range: the best size is no worse than its edges, by 0.001 nats.
    for edge in (low, high):
        given = answer(capsys, *line, "--serve", "1T", "--student", repr(edge))
        assert given["student_loss"] == pytest.approx(free["student_loss"] + 0.001, abs=2e-5)
        assert given["student_parameters_flat"] is None
    more = answer(capsys, *line, "--serve", "10T")
    assert more["student_parameters"] < size
    assert more["student_loss"] > free["student_loss"]
    text = call(capsys, *line, "--serve", "1T")[1]
    assert "serving" in text
    assert "student sizes within 0.001 nats" in text


def test_a_given_student_is_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Serving 1e12 tokens leaves a student of 1B the rest: the plan is that of the rest."""
    line = ["plan", "--student", "1e9", "--scenario", "best", "--draws", "5"]
    served = answer(capsys, *line, "--budget", "1e22", "--serve", "1e12")
    rest = 1e22 - 1e12 * float(LAWS.family.forward_flops(1e9))
    plain = answer(capsys, *line, "--budget", repr(rest))
    for key in ("student_loss", "supervised_loss", "teacher_loss", "verdict"):
        assert served[key] == plain[key]
    assert served["supervised_parameters"] == 1e9


@pytest.mark.parametrize("lines", [[*PREDICT, "--teacher-loss", "2.1"], PLAN])
def test_human_output_fits_and_says_what_json_says(
    capsys: pytest.CaptureFixture[str], lines: list[str]
) -> None:
    record = answer(capsys, *lines)
    status, out, err = call(capsys, *lines)
    assert (status, err) == (0, "")
    for key in ("student_loss", "supervised_loss"):
        assert f"{record[key]:.4f}" in out
    assert record["advice"] in out
    for warning in record["warnings"]:
        assert f"note: {warning}" in out
    assert "nan" not in out
    tables = [line for line in out.splitlines() if line != record["advice"]]
    assert max(len(line.rstrip()) for line in tables if not line.startswith("note")) <= 100


BAD = ("0", "-1", "nan", "inf", "-1e9", "1e400", "x", "", "1G", "--", "1e-400", "0x10")


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "line",
    [
        "predict --student {} --tokens 2e10 --teacher-loss 2.1",
        "predict --student 1e9 --tokens {} --teacher-loss 2.1",
        "predict --student 1e9 --tokens 2e10 --teacher-loss {}",
        "predict --student 1e9 --tokens 2e10 --teacher 1e9:{}",
        "predict --student 1e9 --tokens 2e10 --teacher {}:1e9",
        "plan --student {} --budget 1e22",
        "plan --student 1e9 --budget {}",
        "plan --student 1e9 --budget 1e22 --students {} --scenario both",
        "plan --student 1e9 --budget 1e22 --student-tokens {}",
        "plan --student 1e9 --budget 1e22 --teacher-tokens {}",
        "plan --student 1e9 --budget 1e22 --scenario {}",
        "plan --student 1e9 --target-loss {}",
        "plan --budget 1e22 --serve {}",
        "thresholds --student {}",
        "thresholds --student 1e9 --up-to {}",
        "predict --student 1e9 --tokens 2e10 --teacher-loss 2.1 --coefficients {}",
        "predict --student 1e9 --tokens 2e10 --teacher-loss 2.1 --draws {}",
        "coefficients {} {}",
    ],
)
def test_bad_numbers_are_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], line: str, bad: str
) -> None:
    status, out, err = call(capsys, *(word.replace("{}", bad) for word in line.split()))
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("capgap")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("predict --student 1e9 --tokens 2e10 --teacher-loss 1.2", "irreducible loss, 1.22"),
        ("predict --student 1e9 --tokens 2e10 --teacher-loss 1.22", "irreducible loss, 1.22"),
        ("predict --student 1e9 --tokens 2e10", "required"),
        ("predict --student 1e9 --tokens 2e10 --teacher 1e9", "PARAMETERS:TOKENS"),
        ("predict --student 1e9 --tokens 2e10 --teacher 1:2:3", "not a number"),
        ("predict --student 1e9 --tokens 2e10 --teacher 1e9:1e9 --teacher-loss 2", "not allowed"),
        ("predict --student 0.5 --tokens 2e10 --teacher-loss 2.1", "at least 1"),
        ("predict --student 1e9 --tokens 2e10 --teacher 1e9:0.1", "at least 1"),
        ("plan --student 1e9 --budget 1e9", "too small"),
        ("plan --student 1e9 --budget 1e9 --scenario supervised", "too small"),
        ("plan --student 1e9 --budget 1e22 --teachers {folder}/none.csv", "No such file"),
        ("plan --student 1e9 --budget 1e22 --teachers {folder}", "Is a directory"),
        ("plan --student 1e9 --budget 1e22 --teachers {folder}/bad.csv", "line 2"),
        ("plan --student 1e9 --budget 1e22 --teachers {folder}/low.csv", "irreducible"),
        ("plan --student 1e9 --budget 1e22 --teachers {folder}/api.csv --scenario both", "tokens"),
        ("plan --student 1e9 --budget 1e22 --coefficients chinchilla", "needs a distillation law"),
        ("plan --student 1e9 --budget 1e22 --coefficients {folder}/list.json", "list.json"),
        ("plan --student 1e9 --budget 1e22 --coefficients {folder}/huge.json", "huge.json"),
        ("plan --student 1e9 --budget 1e22 --coefficients {folder}/deep.json", "deep.json"),
        ("plan --student 1e9 --budget 1e22 --draws 1", "at least 2"),
        ("plan --student 1e9 --budget 1e22 --seed -1", "seed"),
        ("plan --student 1e9 --budget 1e22 --level 90", "level = 90"),
        ("plan --student 1e9 --budget 1e22 --level nan", "level = nan"),
        ("plan --budget 1e22", "--student must be given"),
        ("plan --student 1e9", "required"),
        ("plan --student 1e9 --budget 1e22 --target-loss 2.2", "not allowed"),
        ("plan --student 1e9 --target-loss 1.3", "out of reach"),
        ("plan --student 1e9 --target-loss 1.3 --scenario supervised", "out of reach"),
        ("plan --student 1e9 --target-loss 1e6", "no target"),
        ("plan --student 1e9 --target-loss 2.2 --serve 1e9", "does not go with --serve"),
        ("plan --student 1e9 --target-loss 2.2 --teachers {folder}/a.csv", "does not go with"),
        ("plan --budget 1e22 --serve 1e9 --teachers {folder}/api.csv", "size of the student"),
        ("plan --student 1e9 --budget 1e22 --serve 1e16", "too small"),
        ("plan --budget 1e10 --serve 1e16", "too small"),
        ("thresholds --student 1e9 --coefficients chinchilla", "distillation law"),
        ("thresholds --student 1e9 --up-to 1e16", "up-to"),
        ("coefficients reconstructed --out {folder}/low.csv/x.json", "cannot write"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, words: str
) -> None:
    head = "name,parameters,tokens,loss\n"
    (tmp_path / "bad.csv").write_text(head + "a,b,c,d\n")
    (tmp_path / "low.csv").write_text(head + "a,1e9,1e10,1.0\n")
    (tmp_path / "api.csv").write_text(head + "a,1e9,,2.0\n")
    record = json.loads(call(capsys, "coefficients")[1])
    (tmp_path / "list.json").write_text(json.dumps(record | {"draws": []}))
    record["coefficients"]["supervised.E"] = 10**400
    (tmp_path / "huge.json").write_text(json.dumps(record))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    status, out, err = call(capsys, *line.format(folder=tmp_path).split())
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert words in err


@pytest.mark.parametrize("size", ["1", "1e3", "1e6", "1e13", "1e18"])
@pytest.mark.parametrize("budget", ["1e12", "1e18", "1e30", "1e40"])
def test_far_corners_give_an_answer_or_one_line(
    capsys: pytest.CaptureFixture[str], size: str, budget: str
) -> None:
    for scenario in ("best", "inference", "both"):
        status, out, err = call(
            capsys, "plan", "--student", size, "--budget", budget, "--scenario", scenario,
            "--draws", 2, "--json",
        )  # fmt: skip
        if status == 0:
            assert json.loads(out)["student_loss"] > 0
        else:
            assert (status, out, err.count("\n")) == (2, "", 1)
