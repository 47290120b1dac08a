"""The recipe for Slurm: its scripts are valid shell, and its commands exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import capgap.measurement.engines as engines
from capgap.cli.main import build_parser

RECIPE = (Path(engines.__file__).parent / "slurm.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```bash\n(.*?)```", RECIPE, flags=re.DOTALL)
# What the scripts are given, and what Slurm sets.
VALUES = {
    '"$1"': "runs.toml", '"$2"': "my-runs", '"$@"': "--depth 12 --tokens 2B --runs my-runs",
    "$SLURM_ARRAY_TASK_ID": "3", "$SLURM_ARRAY_TASK_COUNT": "8",
}  # fmt: skip


def commands() -> list[str]:
    """Everything that starts with capgap, in scripts and in the text between them."""
    text = RECIPE.replace("\\\n", " ")
    for name, value in VALUES.items():
        text = text.replace(name, value)
    in_scripts = re.findall(r"(?:srun|-m) capgap (.+)", text)
    in_text = re.findall(r"`capgap ([^`]+)`", text)
    return [*in_scripts, *(c for c in in_text if " " in c)]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("script", SCRIPTS, ids=["array", "torchrun"])
def test_scripts_are_valid_shell(script: str) -> None:
    assert script.startswith("#!/bin/bash\n#SBATCH ")
    answer = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_commands_are_those_of_the_parser() -> None:
    assert len(commands()) == 4
    for command in commands():
        build_parser().parse_args(shlex.split(command))


def test_the_array_is_numbered_from_zero() -> None:
    """`--share I/N` with the id and the count of the array: 0 to N - 1."""
    (array,) = (s for s in SCRIPTS if "--array" in s)
    assert re.search(r"--array=0-\d+", array)
    assert '--share "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"' in array
