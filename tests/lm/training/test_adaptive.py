"""Runs that stop by themselves: when, how the rate then falls, and how they resume."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import CPU, corpus_in, same, small  # noqa: E402
from lm.training.test_resume import interrupted  # noqa: E402

from capgap.compute import run_flops  # noqa: E402
from capgap.errors import InputError  # noqa: E402
from capgap.lm.adaptive import AdaptiveCompute  # noqa: E402
from capgap.lm.config import RunConfig  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402
from capgap.lm.training import train, train_many  # noqa: E402
from capgap.lm.training.adaptive import AdaptiveSchedule, make_schedule  # noqa: E402
from capgap.lm.training.schedule import FixedSchedule  # noqa: E402
from capgap.measurement.records import RunStore  # noqa: E402
from capgap.measurement.runs import execute  # noqa: E402

# A run of up to 4,096 batches of 1,024 tokens, whose losses scatter by 0.1 nats, as measured.
NOISE = 0.1
STEPS = 4096
TOKENS = 1024


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def planned(least_gain: float, depth: int = 2, steps: int = STEPS, **settings: Any) -> RunConfig:
    adaptive = AdaptiveCompute(least_gain=least_gain, **settings)
    return RunConfig(depth=depth, tokens=steps * TOKENS, corpus="none", adaptive=adaptive)


def followed(config: RunConfig, loss: Callable[[int], float], seed: int = 0) -> AdaptiveSchedule:
    """The schedule at the end of a run whose batches have these losses, plus noise."""
    schedule = make_schedule(config)
    assert isinstance(schedule, AdaptiveSchedule)
    noise = NOISE * np.random.default_rng(seed).standard_normal(config.steps)
    step = 0
    while step < schedule.steps:
        schedule.observe(step, float(loss(step) + noise[step]))
        step += 1
    return schedule


def power_law(E: float, B: float, b: float) -> Callable[[int], float]:
    """E + B D^-b with D in tokens, the loss before the batch of a step."""
    return lambda step: E + B * (max(step, 1) * TOKENS) ** -b


@pytest.mark.parametrize(("b", "least"), [(0.45, 1.05e6), (0.45, 2.1e6), (0.3, 2.1e6)])
def test_stops_where_the_marginal_gain_of_a_planted_law_crosses_the_least_gain(
    b: float, least: float
) -> None:
    """Closed form: D* = (b B / (g F))^(1/(b+1)), F FLOPs a token; 30 seeds.

    Statistic: mean of log(D / D*). Checks are 10% apart, so that stopping at the first one past
    the crossing ends up to log 1.1 late, 0.05 on average; noise has been seen to make it earlier
    or later by 0.1. The bounds: mean within 0.1, deviation below 0.15, every seed within 0.4.
    A law that is 1.5 times as costly to go on with (negative control) misses the mean's bound.
    """
    B = 0.635 * 1e6**b
    per_token = run_flops(planned(1.0).forward_flops, 1)
    g = b * B * least ** (-b - 1) / per_token
    off = _log_ratios(planned(g), power_law(1.1, B, b), least)
    assert abs(off.mean()) < 0.1
    assert off.std() < 0.15
    assert np.abs(off).max() < 0.4
    dear = _log_ratios(planned(1.5 * g), power_law(1.1, B, b), least)
    assert abs(dear.mean()) > 0.15


def _log_ratios(config: RunConfig, loss: Callable[[int], float], least: float) -> Any:
    ends = [followed(config, loss, seed).steps * TOKENS for seed in range(30)]
    return np.log(np.array(ends) / least)


def test_one_least_gain_equalizes_the_marginal_gains_of_two_sizes() -> None:
    """Planted laws of two depths; at their ends the true gains per FLOP agree to 25%.

    Before, at the same tokens, they differ by more than a factor 2 (negative control).
    """
    laws = {2: (1.1, 318.0, 0.45), 3: (0.95, 350.0, 0.45)}
    gains, before = [], []
    for depth, (E, B, b) in laws.items():
        config = planned(3e-13, depth=depth)
        per_token = run_flops(config.forward_flops, 1)
        ends = [followed(config, power_law(E, B, b), s).steps * TOKENS for s in range(10)]
        D = math.exp(np.log(ends).mean())
        gains.append(b * B * D ** (-b - 1) / per_token)
        before.append(b * B * 1e6 ** (-b - 1) / per_token)
    assert max(gains) / min(gains) < 1.25
    assert gains[0] == pytest.approx(3e-13, rel=0.25)
    assert max(before) / min(before) > 2


def test_a_loss_that_keeps_falling_is_never_stopped() -> None:
    """Falls by 1e-6 nats a token, 4 times the least gain: all tokens are used."""
    g = 1e-6 / 4 / run_flops(planned(1.0).forward_flops, 1)
    schedule = followed(planned(g), lambda step: 6 - 1e-6 * step * TOKENS)
    assert schedule.steps == STEPS
    start = math.floor(STEPS / 1.25)
    assert schedule.events[-1] == (start, "decay", float(STEPS * TOKENS))


def test_a_flat_loss_is_stopped_at_the_first_check() -> None:
    """410 steps tell its gain to 5e-14 nats per FLOP or so; the least gain is 20 times that."""
    schedule = followed(planned(1e-12), lambda step: 2.0)
    assert [kind for _, kind, _ in schedule.events] == ["gain", "gain error", "decay"]
    first = math.ceil(0.1 * STEPS)
    assert schedule.events[-1] == (first, "decay", float((first + round(first / 4)) * TOKENS))
    assert schedule.steps == first + round(first / 4)


def test_noise_alone_stops_nothing() -> None:
    """With a least gain below the error, a flat loss is told from a falling one only later."""
    schedule = followed(planned(2e-14), lambda step: 2.0)
    _, _, error = schedule.events[1]
    assert error > 1e-14
    assert schedule.steps > 2 * math.ceil(0.1 * STEPS)


def test_least_gain_near_zero_uses_all_tokens() -> None:
    assert followed(planned(1e-18), power_law(1.1, 318.0, 0.45)).steps == STEPS


def test_every_decision_is_told() -> None:
    """At each check gain and error; the last one lies below the least gain, all others do not."""
    g = 6e-13
    events = followed(planned(g), power_law(1.1, 318.0, 0.45)).events
    gains = [(step, value) for step, kind, value in events if kind == "gain"]
    errors = [value for _, kind, value in events if kind == "gain error"]
    assert len(gains) == len(errors) > 3
    below = [v < g and e < g / 2 for (_, v), e in zip(gains, errors, strict=True)]
    assert below == [False] * (len(gains) - 1) + [True]
    steps = [step for step, _ in gains]
    assert all(b == math.ceil(a * 1.1) for a, b in pairwise(steps))
    assert events[-1][:2] == (steps[-1], "decay")


def test_rates_rise_stay_and_fall_without_a_jump() -> None:
    """By hand: 200 steps at most, checks from 100 on; 5 of warm-up, decay over 25 to 0.001."""
    schedule = make_schedule(planned(0.9, steps=200, first=0.5))
    rates: list[float] = []
    while len(rates) < schedule.steps:
        rates.append(schedule.rate(len(rates)))
        schedule.observe(len(rates) - 1, 3.0 + 0.1 * (len(rates) % 2))
    assert schedule.steps == len(rates) == 125
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:101] == [1.0] * 96
    assert np.diff(rates[100:]) == pytest.approx(np.full(24, -0.999 / 25))
    assert schedule.rate(125) == pytest.approx(0.001)


def test_the_last_tokens_are_the_decay() -> None:
    """A run of 200 steps that is not stopped decays from 160 on: 40 is a quarter of 160."""
    schedule = followed(planned(1e-18, steps=200), power_law(1.1, 318.0, 0.45))
    assert schedule.steps == 200
    assert schedule.rate(160) == 1.0
    assert schedule.rate(161) == pytest.approx(1 - 0.999 / 40)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("settings", [{}, {"first": 1.0}, {"decay": 1.0}, {"decay": 1e-20}])
def test_shortest_runs_end_and_have_positive_rates(steps: int, settings: dict[str, Any]) -> None:
    schedule = followed(planned(1e-12, steps=steps, **settings), lambda step: 2.0)
    assert schedule.steps == steps
    assert all(0 < schedule.rate(step) <= 1 for step in range(steps))


def test_the_warm_up_tells_nothing() -> None:
    """Warm-up to the first check, with losses of 50 or of 2: the same decisions, and later ones."""
    config = replace(planned(1e-12, steps=400, first=0.25), warmup_fraction=1.0)
    one = followed(config, lambda step: 2.0)
    two = followed(config, lambda step: 50.0 if step < 100 else 2.0)
    assert one.events == two.events
    assert one.events[0][0] > 100


def test_skipped_steps_are_not_waited_for() -> None:
    """Losses that are not finite are not observed; the check then is at the next one that is."""
    schedule = make_schedule(planned(1e-18, steps=200))
    for step in range(200):
        if step not in (19, 159):  # the first check, and the last step of the plateau
            schedule.observe(step, 2.0 + 0.1 * (step % 3))
    steps = [step for step, kind, _ in schedule.events if kind == "gain"]
    assert steps[0] == 21
    assert schedule.events[-1] == (160, "decay", 200.0 * TOKENS)


def test_state_survives_json_at_every_step() -> None:
    """A schedule that is restored before every step decides what an undisturbed one does."""
    config = planned(5e-12, steps=400)
    whole = followed(config, power_law(1.1, 318.0, 0.45))
    assert whole.steps < 400
    noise = NOISE * np.random.default_rng(0).standard_normal(400)
    state, step = make_schedule(config).state(), 0
    while True:
        again = make_schedule(config)
        again.restore(json.loads(json.dumps(state)))
        if step >= again.steps:
            break
        again.observe(step, float(power_law(1.1, 318.0, 0.45)(step) + noise[step]))
        state, step = again.state(), step + 1
    assert step == whole.steps
    assert again.events == whole.events


def stopping(corpus: Corpus, **changes: Any) -> RunConfig:
    """A real run of up to 240 steps that ends after about half of them."""
    adaptive = AdaptiveCompute(least_gain=1e-10, first=0.2)
    return small(corpus, **{"tokens": 240 * 128, "adaptive": adaptive, **changes})


def test_a_real_run_stops_by_itself(corpus: Corpus) -> None:
    config = stopping(corpus)
    result = train(config, corpus, device=CPU)
    decays = [event for event in result.events if event[1] == "decay"]
    ((start, _, end),) = decays
    assert result.D == end == result.curve[-1][0] == 128 * (start + round(start / 4))
    assert 0.2 * config.D < result.D < 0.9 * config.D
    assert result.failure is None
    assert [e[0] for e in result.events] == sorted(e[0] for e in result.events)
    # The other way: without a reason to stop, the same run uses all its tokens.
    unbounded = stopping(corpus, adaptive=AdaptiveCompute(least_gain=1e-18, first=0.2))
    assert train(unbounded, corpus, device=CPU).D == config.D


def test_the_record_tells_what_was_spent_and_why(corpus: Corpus, tmp_path: Path) -> None:
    """D and FLOPs are those of the tokens seen, not of the most possible."""
    config = stopping(corpus)
    store = RunStore(tmp_path / "runs")
    execute(config, corpus, store)
    record = store.read(config.id)
    assert record.D < config.D
    assert record.flops == run_flops(config.forward_flops, record.D)
    gain, error, decay = record.events[-3:]
    assert [kind for _, kind, _ in (gain, error, decay)] == ["gain", "gain error", "decay"]
    assert gain[2] is not None
    assert gain[2] < 1e-10
    assert decay[2] == record.D


@pytest.mark.parametrize("moment", ["plateau", "decay"])
def test_an_adaptive_run_resumes_bit_identical(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    config = stopping(corpus)
    whole = train(config, corpus, device=CPU)
    start = next(step for step, kind, _ in whole.events if kind == "decay")
    kills = [20, start - 1] if moment == "plateau" else [start, start + 7]
    assert same(whole, interrupted(config, corpus, tmp_path, kills, monkeypatch))


def test_students_of_one_pass_stop_each_when_alone(corpus: Corpus) -> None:
    configs = [
        stopping(corpus, seed=1, data_seed=0),
        small(corpus, seed=2, data_seed=0, tokens=160 * 128),
    ]
    together = train_many(configs, corpus, device=CPU)
    assert together[0].D < together[1].D == configs[1].D
    for config, result in zip(configs, together, strict=True):
        assert same(train(config, corpus, device=CPU), result)


def test_teachers_that_run_along_count(corpus: Corpus) -> None:
    """Gains of the same losses, over 3 F(N) + F(N_T) FLOPs a token, or 3 F(N) with stored ones."""
    alone = planned(1e-12)
    teacher = planned(1e-12, depth=3)
    extra = {"teacher": teacher, "distillation_weight": 1.0}
    online = RunConfig.from_dict({**alone.to_dict(), **extra})
    kept = RunConfig.from_dict(
        {**alone.to_dict(), **extra, "teacher_outputs": TeacherOutputs.parse("top-k:4")}
    )
    law = power_law(1.1, 318.0, 0.45)
    gains = [followed(config, law).events[0][2] for config in (alone, online, kept)]
    flops = 3 * alone.forward_flops
    assert gains[1] == pytest.approx(gains[0] * flops / (flops + teacher.forward_flops))
    assert gains[2] == gains[0]


def test_without_it_the_schedule_is_fixed(corpus: Corpus) -> None:
    schedule = make_schedule(small(corpus))
    assert isinstance(schedule, FixedSchedule)
    assert list(schedule.events) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("least_gain", 0.0), ("least_gain", -1e-12), ("first", 0.0), ("every", 1.5), ("decay", 0.0),
     ("decay", math.nan), ("first", True)],
)  # fmt: skip
def test_bad_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"adaptive compute: {name} = "):
        AdaptiveCompute(**{"least_gain": 1e-12, name: value})


def test_run_with_it_has_another_id_and_a_way_back(corpus: Corpus) -> None:
    plain, adaptive = small(corpus), small(corpus, adaptive=AdaptiveCompute(least_gain=1e-12))
    assert plain.id != adaptive.id
    assert RunConfig.from_dict(json.loads(json.dumps(adaptive.to_dict()))) == adaptive
