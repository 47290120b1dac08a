"""Two processes under torchrun make the runs that one makes, up to rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training import work_of_processes as work  # noqa: E402

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.corpus import load_text  # noqa: E402
from capgap.lm.training import ALONE, Processes, joined, own_device, train  # noqa: E402
from capgap.measurement.records import RunRecord, RunStore  # noqa: E402
from capgap.measurement.runs import execute  # noqa: E402

# Sums of two processes are rounded in another order than that of one: 1e-7 of a loss, which
# 25 steps of Adam let grow to 4e-6 in the cases here.
TOLERANCE = 1e-5


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with two processes on this machine."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def distance(one: RunRecord, two: RunRecord) -> float:
    """Largest difference of two loss curves."""
    assert [point[0] for point in one.curve] == [point[0] for point in two.curve]
    pairs = zip(one.curve, two.curve, strict=True)
    return max(
        abs(x - y)
        for p, q in pairs
        for x, y in zip(p[1:], q[1:], strict=True)
        if x is not None and y is not None
    )


def test_two_processes_make_the_runs_of_one(text_folder: Path, tmp_path: Path) -> None:
    """All in one launch, in the middle of which one process is killed (starting is what costs).

    Cases: supervised; rows that do not divide evenly, in parts, never with all logits; stored
    outputs, which both want to build; two students of one pass; a gradient that is not finite
    in one process. Negative controls: gradients not exchanged, a count that forgets the other
    process.
    """
    corpus = load_text([text_folder])
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        execute(work.teacher_of(corpus), corpus, RunStore(folder / "teacher"))
    work.make_all(corpus, one)
    work.make_poisoned(corpus, one)
    answer = torchrun(
        "--max-restarts", "1", work.__file__, str(text_folder), str(two)
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr

    for name, (configs, _) in work.cases(corpus).items():
        for config in configs:
            alone, shared = (RunStore(folder / name).read(config.id) for folder in (one, two))
            assert distance(alone, shared) <= TOLERANCE, name
            assert shared.loss == pytest.approx(alone.loss, abs=TOLERANCE), name
            assert (alone.machine.processes, shared.machine.processes) == (1, 2)
            assert (alone.D, alone.flops, alone.L_T) == (shared.D, shared.flops, shared.L_T)
        assert len(list(RunStore(two / name))) == len(configs)

    def supervised(name: str, folder: Path = two) -> RunRecord:
        return RunStore(folder / name).read(work.small(corpus).id)

    # Killed and started again: from where it was, to the bits of the undisturbed run.
    assert [(two / f"second-life-of-{rank}").read_text() for rank in (0, 1)] == [
        str(work.KILLED_AT)
    ] * 2
    assert supervised("killed").outcome() == supervised("supervised").outcome()
    assert not list((two / "killed" / ".states").iterdir())

    # Skipped by both, though one alone had seen it.
    assert supervised("poisoned").events == ((work.POISONED_AT + 1, "not finite", None),)
    assert distance(supervised("poisoned"), supervised("poisoned", one)) <= TOLERANCE
    assert distance(supervised("poisoned"), supervised("supervised")) > 1e-3

    right = supervised("supervised", one)
    assert distance(right, supervised("no exchange")) > 1e-3
    assert distance(right, supervised("count of one")) > 1e-3


def test_command_under_torchrun_speaks_once(text_folder: Path, tmp_path: Path) -> None:
    """As a user types it; the run's record is that of one process."""
    command = [
        "-m", "capgap", "train", "--depth", "1", "--aspect-ratio", "8", "--tokens", "3200",
        "--sequence-length", "32", "--text", str(text_folder), "--runs", str(tmp_path / "runs"),
        "--json",
    ]  # fmt: skip
    answer = torchrun(*command)
    assert answer.returncode == 0, answer.stderr
    told = RunRecord.from_dict(json.loads(answer.stdout))  # twice would not be JSON
    assert list(RunStore(tmp_path / "runs")) == [told]
    assert told.machine.processes == 2
    alone = execute(told.config, load_text([text_folder]), RunStore(tmp_path / "alone"))
    assert distance(alone, told) <= TOLERANCE


def test_shares_are_all_rows_once() -> None:
    for world in range(1, 6):
        for rows in range(world, 12):
            shares = [list(Processes(rank, world).share(rows)) for rank in range(world)]
            assert [row for share in shares for row in share] == list(range(rows))
            assert {len(share) for share in shares} <= {rows // world, rows // world + 1}


def test_a_process_without_rows_is_refused(text_folder: Path) -> None:
    corpus = load_text([text_folder])
    with pytest.raises(InputError, match="5 processes cannot share batches of 4"):
        train(
            work.small(corpus), corpus, device=torch.device("cpu"), processes=Processes(0, 5)
        )  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """That of the first of two processes, before it has met the other."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    return monkeypatch


def test_one_process_under_torchrun_is_one_alone(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WORLD_SIZE", "1")
    with joined("cpu") as processes:
        assert processes == ALONE
        assert processes.as_leader([True, False], "cpu") == [True, False]
    assert not torch.distributed.is_initialized()
    assert own_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "MASTER_ADDR expected, but not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE = 'two' must be an integer at least 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE = '0' must be an integer at least 1"),
        ({"RANK": None}, "RANK is not set"),
        ({"RANK": "2"}, "RANK = '2' must be an integer between 0 and 1"),
        ({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "no"}, "cannot join the others"),
    ],
)
def test_a_wrong_environment_is_told_in_one_line(
    environment: pytest.MonkeyPatch, changes: dict[str, str | None], words: str
) -> None:
    for name, value in changes.items():
        if value is None:
            environment.delenv(name)
        else:
            environment.setenv(name, value)
    with pytest.raises(InputError, match=words) as caught, joined("cpu"):
        pass
    assert len(str(caught.value).splitlines()) == 1


def test_a_lost_process_is_told_in_one_line(environment: pytest.MonkeyPatch) -> None:
    """What gloo says when the other end has gone; anything else is left as it is."""
    environment.setattr(torch.distributed, "is_initialized", lambda: True)
    gone = "[third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: reset by peer."
    with pytest.raises(CapgapError, match="process 0 of 2 lost another"), joined("cpu"):
        raise RuntimeError(gone)
    with pytest.raises(RuntimeError, match="shapes"), joined("cpu"):
        raise RuntimeError("shapes do not match")


@pytest.mark.parametrize(
    ("device", "words"),
    [("cuda", "LOCAL_RANK is not set"), ("cuda:1", "must be cpu or cuda"), ("mps", "must be cpu")],
)
def test_devices_that_cannot_be_shared_are_refused(
    environment: pytest.MonkeyPatch, device: str, words: str
) -> None:
    with pytest.raises(InputError, match=words), joined(device):
        pass


def test_each_process_takes_its_gpu(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOCAL_RANK", "1")
    assert own_device("cuda") == "cuda:1"
    assert own_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="'cuda:1' cannot be used"), joined("cuda"):
            pass
