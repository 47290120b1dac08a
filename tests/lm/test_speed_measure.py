"""The benchmark: its baseline is the same model, its sums add up, its goals are judged right."""

import argparse
import csv
import json
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.cli import bench  # noqa: E402
from capgap.errors import InputError  # noqa: E402
from capgap.lm.memory import keep_freed_memory, peak_resident_bytes  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.shape import ModelShape  # noqa: E402
from capgap.lm.speed.caches import FORMS  # noqa: E402
from capgap.lm.speed.peak import matmul_peak  # noqa: E402
from capgap.lm.speed.plain import PlainTransformer, copy_weights, plain_loss  # noqa: E402
from capgap.lm.speed.profile import CLASSES, op_shares  # noqa: E402
from capgap.lm.speed.report import DepthSpeed, SpeedReport  # noqa: E402
from capgap.lm.speed.steps import Setting, our_step, plain_step  # noqa: E402
from capgap.lm.speed.timing import interleave  # noqa: E402

CPU = torch.device("cpu")


def test_baseline_is_the_same_function_with_the_same_parameters() -> None:
    """Float64 and random weights; rounding only. Negative control: gate and up exchanged."""
    shape = ModelShape(depth=2, sequence_length=32)
    model, plain = Transformer(shape, 1), PlainTransformer(shape)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    copy_weights(model, plain)
    model, plain = model.double(), plain.double()
    tokens = torch.randint(256, (2, 32), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(plain(tokens), model(tokens), atol=1e-10)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (model, plain)]
    assert sizes[0] == sizes[1]
    first = plain.blocks[0]
    first.gate_proj, first.up_proj = first.up_proj, first.gate_proj
    assert not torch.allclose(plain(tokens), model(tokens), atol=1e-3)


def test_both_steps_learn_the_same() -> None:
    """Three steps of AdamW on one batch: weights agree to the rounding of float32 updates.

    Adam divides by the root of a mean square, so that updates of entries whose gradient is
    near rounding may differ by up to the rate; the bound is on the loss instead, of order 5.
    """
    shape, setting = ModelShape(depth=1, sequence_length=32), Setting(device=CPU)
    ours, plain = our_step(shape, setting), plain_step(shape, setting)
    tokens = torch.randint(256, (4, 33), generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        ours.step()
        plain.step()
    with torch.no_grad():
        losses = [
            float(plain_loss(work.model(tokens[:, :-1]), tokens[:, 1:], 1e-4))
            for work in (ours, plain)
        ]
    untrained = math.log(256) + 1e-4 * math.log(256) ** 2  # uniform: the head starts at 0
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert losses[0] < untrained - 0.01


def test_shares_of_a_step_add_up() -> None:
    shape = ModelShape(depth=1, sequence_length=32)
    for make in (our_step, plain_step):
        shares = op_shares(make(shape, Setting(device=CPU)).step, CPU, repetitions=1)
        assert tuple(shares) == CLASSES
        assert sum(shares.values()) == pytest.approx(1.0)
        assert all(shares[name] > 0 for name in CLASSES if name != "overhead")


def test_interleaved_times_by_a_clock_that_is_known() -> None:
    """A clock that only bodies move: 1 for the first, 2 then 4 then 6 for the second."""
    now, calls = [0.0], [0]

    def second() -> None:
        now[0] += 2 * calls[0]
        calls[0] += 1

    def first() -> None:
        now[0] += 1

    times = interleave({"a": first, "b": second}, 3, clock=lambda: now[0])
    assert (times["a"].best, times["a"].median) == (1, 1)
    assert (times["b"].best, times["b"].median) == (2, 4)


def size(depth: int, N: int, **seconds: float) -> DepthSpeed:
    base = {"plain": 3.0, "float32": 2.0, "bfloat16": 1.0, "teacher": 1.0, "taught": 2.1,
            "online": 3.1, "cached top-k:12": 2.2, "batch": 0.01} | seconds  # fmt: skip
    return DepthSpeed(
        depth=depth, N=N, tokens=100, step_flops=60.0, seconds=base, teacher_depth=depth + 2,
        students=8, shares={}, peak_bytes=1,
    )  # fmt: skip


def test_goals_by_hand() -> None:
    report = SpeedReport(
        device="cpu", threads=1, clock="wall", peaks={"float32": 100.0},
        sizes=(size(2, 26_000), size(8, 1_600_000, online=3.4, apart=2.0, together=1.5)),
    )  # fmt: skip
    found = [(g.depth, round(g.ratio, 4), g.met) for g in report.goals]
    assert found == [
        (2, 3.0, True),  # plain 3 over the fastest, 1
        (2, 1.0333, True),  # online 3.1 over 1 + 2
        (2, 1.1, True),  # cached 2.2 over 2
        (2, 0.005, True),
        (8, 0.6, True),  # 60 FLOPs in 1 s, of 100; too large for the plain goal
        (8, 1.1333, False),
        (8, 1.1, True),
        (8, 1.3333, False),
        (8, 0.005, True),
    ]


def test_bench_prints_saves_and_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from capgap.lm.speed import measure

    monkeypatch.setattr(measure, "matmul_peak", lambda *_: 1e11)  # seconds, untested here
    out = tmp_path / "speed.csv"
    arguments = ["bench", "--depths", "1", "--quick", "--precision", "float32"]
    options = parser().parse_args([*arguments, "--out", str(out)])
    options.run(options)
    printed = capsys.readouterr().out
    assert "plain/this" in printed
    assert "depth 1: cached top-k:12 KD step / supervised step" in printed
    rows = list(csv.DictReader(out.read_text().splitlines()))
    pieces = {"plain", "float32", "teacher", "taught", "online", "batch"} | {
        f"cached {form}" for form in FORMS
    }
    assert {row["piece"] for row in rows} == pieces
    assert all(float(row["seconds"]) > 0 for row in rows)
    options = parser().parse_args([*arguments, "--json"])
    options.run(options)
    assert json.loads(capsys.readouterr().out)["sizes"][0]["depth"] == 1
    options.threads = 0
    with pytest.raises(InputError, match="threads = 0"):
        options.run(options)
    with pytest.raises(SystemExit):
        parser().parse_args(["bench", "--depths", "0"])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    bench.add_commands(made.add_subparsers(required=True))
    return made


def test_peak_of_products_and_of_memory() -> None:
    """No machine that runs this does fewer than 10^7 or more than 10^15 FLOP/s."""
    assert 1e7 < matmul_peak(CPU, torch.float32, repetitions=1) < 1e15
    before = peak_resident_bytes()
    block = torch.ones(2**24)  # 64 MiB
    assert peak_resident_bytes() >= before
    assert block.sum() == 2**24
    assert isinstance(keep_freed_memory(), bool)
