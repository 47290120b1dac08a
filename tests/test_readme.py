"""The README is true: its table is that of the committed figures, its commands work.

The table is written by ``python tests/test_readme.py``. Python examples run as doctests.
"""

import csv
import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MARKS = ("<!-- result:", "<!-- end of result -->")
AUDIT_MARKS = ("<!-- audit:", "<!-- end of audit -->")
SPEED_MARKS = ("<!-- speed:", "<!-- end of speed -->")
SHOWN_CLAIMS = (
    "B.printed",
    "B.another-coefficient",
    "law.knee",
    "law.c1-interval",
    "law.student-below-teacher",
    "scenario.catches-up",
    "scenario.never-wins",
    "scenario.overtrain",
    "scenario.teacher-is-optimal",
    "scenario.savings",
    "document.plateau",
    "rule.one-number-rule",
)
NAMES = {
    "hinge": "hinge law, with the teacher",
    "eq8-reduced": "Eq. 8 (reduced form), with the teacher",
    "supervised": "supervised law, without a teacher",
}


def table() -> str:
    """The prediction and its outcome, from the committed figures."""
    prediction = json.loads((ROOT / "figures" / "prediction.json").read_text())
    with (ROOT / "figures" / "forecast_and_outcome.csv").open() as file:
        rows = list(csv.DictReader(file))
    made = prediction["prediction"]
    lines = [
        f"A student of {made['N_S']:,.0f} parameters, {made['D_S']:,.0f} byte tokens, taught by a"
        f" teacher at {made['L_T']:.3f} nats, and the same student alone; fitted to"
        f" {made['runs']} other runs:",
        "",
        f"| law | predicted, {made['level']:.0%} interval | measured |",
        "|---|---|---|",
    ]
    for place, row in enumerate(rows):
        low, high, measured = (float(row[key]) for key in ("low", "high", "measured"))
        inside = "inside" if low <= measured <= high else "outside"
        star = " (best on held-out runs)" if place == 0 else ""
        lines.append(
            f"| {NAMES[row['law']]}{star} | {float(row['predicted']):.3f} [{low:.3f}, {high:.3f}]"
            f" | {measured:.3f}, {inside} |"
        )
    return "\n".join([*lines, "", *findings()])


def findings() -> list[str]:
    """What the measured runs say, from the committed figures."""
    path = ROOT / "figures" / "measured_distillation.json"
    source = json.loads(path.read_text())
    laws = source["laws"]
    errors = ", ".join(
        f"{NAMES[law].split(',')[0]} {100 * laws[law]['held_out_rms_log_error']:.2f}%"
        for law in laws
    )
    tokens, (low, high) = (laws["hinge"][key]["tokens"] for key in ("coefficients", "interval_90"))
    lines = [
        f"- By the hinge law a good teacher is worth {tokens:.2f} times the tokens (90% interval"
        f" {low:.2f} to {high:.2f}).",
        f"- Errors on held-out students: {errors}; seeds alone make"
        f" {100 * source['seed_noise_log_loss']:.2f}%.",
    ]
    for test in source["capacity_gap_tests"]:
        resolved = "" if test["low"] * test["high"] > 0 else ": no gap resolved at this size"
        lines.append(
            f"- Capacity gap, {test['seeds']} seeds: the teacher at {test['L_T_stronger']:.3f} nats"
            f" against the one at {test['L_T_weaker']:.3f}: {test['difference']:+.3f} nats for the"
            f" student, 90% interval {test['low']:+.3f} to {test['high']:+.3f}{resolved}."
        )
    return lines


def audit_block() -> str:
    """Verdicts of the audit and the statements most asked about, from the committed table."""
    with (ROOT / "figures" / "claims.csv").open(encoding="utf-8", newline="") as file:
        claims = {row["id"]: row for row in csv.DictReader(file)}
    verdicts = Counter(row["verdict"] for row in claims.values())
    lines = [
        f"{len(claims)} statements of the paper and of a summary of it, each computed from the laws"
        f" (`figures/claims.csv`): {verdicts['confirmed']} confirmed, {verdicts['contradicted']}"
        f" contradicted, {verdicts['depends']} true for some sizes and budgets only. Among them:",
        "",
        "| statement | verdict |",
        "|---|---|",
    ]
    shown = (claims[name] for name in SHOWN_CLAIMS)
    lines += [f"| {row['statement']} | {row['verdict']} |" for row in shown]
    return "\n".join(lines)


def speed_block() -> str:
    """Times of one step by size, from the committed benchmark on one thread."""
    found = json.loads((ROOT / "figures" / "training_speed.json").read_text(encoding="utf-8"))
    goals = {(goal["depth"], goal["text"]): goal for goal in found["goals"]}
    peak = found["peaks"]["float32"]
    lines = [
        f"One thread of an {found['made']['processor'].split(' with')[0]}, batches of 1,024 bytes;"
        f" {sum(goal['met'] for goal in found['goals'])} of {len(found['goals'])} goals met"
        " (`capgap bench`, `figures/training_speed.json`):",
        "",
        "| parameters | plain PyTorch loop | here, float32 | here, bfloat16 | of the float32 peak |"
        " KD step / its parts | KD from the slowest cache / alone | 8 students together |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in found["sizes"]:
        depth, took = size["depth"], size["seconds"]
        of = {text: goal["ratio"] for (d, text), goal in goals.items() if d == depth}
        fastest = min(took["float32"], took["bfloat16"])
        together = took["apart"] / took["together"]
        cached = max(ratio for text, ratio in of.items() if text.startswith("cached"))
        lines.append(
            f"| {size['N']:,} | {took['plain'] * 1e3:.1f} ms"
            f" | {took['float32'] * 1e3:.1f} ms ({took['plain'] / took['float32']:.2f}x)"
            f" | {took['bfloat16'] * 1e3:.1f} ms ({took['plain'] / took['bfloat16']:.2f}x)"
            f" | {size['step_flops'] / fastest / peak:.0%}"
            f" | {of['online KD step / (teacher forward + supervised step)']:.2f}"
            f" | {cached:.2f} | {together:.2f}x |"
        )
    gains = [size["seconds"]["plain"] / size["seconds"]["float32"] for size in found["sizes"]]
    two = json.loads((ROOT / "figures" / "training_speed_two_threads.json").read_text())
    missed = [
        f"{goal['text']} at depth {goal['depth']}: {goal['ratio']:.2f} ({goal['bound']:g})"
        for goal in two["goals"]
        if not goal["met"]
    ]
    met = len(two["goals"]) - len(missed)
    return "\n".join(
        [
            *lines,
            "",
            f"The gain is bfloat16's: in float32 alone it is {min(gains):.2f} to {max(gains):.2f}"
            " times. The eight students share a pass of a teacher two layers deeper. On two"
            f" threads {met} of {len(two['goals'])} goals are met; missed, with the goal in"
            f" parentheses: {'; '.join(missed) or 'none'}.",
        ]
    )


def split(marks: tuple[str, str] = MARKS) -> tuple[str, str, str]:
    """README before, between and after the marks."""
    text = README.read_text(encoding="utf-8")
    start = text.index("\n", text.index(marks[0])) + 1
    end = text.index(marks[1])
    return text[:start], text[start:end], text[end:]


def test_table_is_that_of_the_figures() -> None:
    """Words must be equal; numbers may differ by 0.003 nats, what another processor's
    rounding does to a training at the end (and CI draws the figures anew)."""
    number = re.compile(r"\d+\.\d+")
    shown, expected = split()[1].strip(), table()
    assert number.sub("#", shown) == number.sub("#", expected), "run python tests/test_readme.py"
    values = [[float(v) for v in number.findall(text)] for text in (shown, expected)]
    assert values[0] == pytest.approx(values[1], abs=0.003)


def test_audit_is_that_of_the_figures() -> None:
    assert split(AUDIT_MARKS)[1].strip() == audit_block(), "run python tests/test_readme.py"


def test_calibration_is_that_of_the_figure() -> None:
    """Numbers in the text: ECE and interval of three students against data, in percent."""
    source = json.loads((ROOT / "figures" / "measured_calibration.json").read_text())
    text = " ".join(README.read_text(encoding="utf-8").split())
    found = {row["model"]: row for row in source["errors"] if row["against"] == "data"}
    for model, digits in (("distilled: full", 2), ("distilled: top-1", 1), ("alone", 2)):
        ece, (low, high) = found[model]["ece"], found[model]["interval"]
        assert f"{100 * ece:.{digits}f}%" in text
        assert f"{100 * low:.{digits}f} to {100 * high:.{digits}f})" in text


def test_speed_is_that_of_the_benchmark() -> None:
    assert split(SPEED_MARKS)[1].strip() == speed_block(), "run python tests/test_readme.py"


def commands() -> list[str]:
    """Lines of the README's shell blocks that call capgap alone."""
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("capgap ")]


def test_commands_work_in_the_order_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    from capgap.cli.main import main

    for folder in ("simulations", "figures"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    assert len(commands()) == 25
    for line in commands():
        assert main(shlex.split(line)[1:]) == 0, line
        assert capsys.readouterr().out, line


def test_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert len(pictures) == 9
    assert all((ROOT / path).is_file() for path in pictures)


def test_names_of_files_in_the_text_exist() -> None:
    text = README.read_text(encoding="utf-8")
    named = re.findall(r"`((?:capgap|simulations|figures|tests)/[\w./]+)`", text)
    assert named
    assert all((ROOT / path).exists() for path in named)


if __name__ == "__main__":
    blocks = ((MARKS, table()), (AUDIT_MARKS, audit_block()), (SPEED_MARKS, speed_block()))
    for marks, block in blocks:
        before, _, after = split(marks)
        README.write_text(f"{before}{block}\n{after}", encoding="utf-8")
