"""The rules are the model's and the optimizer's; groups are those of the committed runs."""

import math

import pytest

pytest.importorskip("torch", reason="needs the extra 'lm'")
import torch

from capgap.errors import InputError
from capgap.lm.config import ModelShape, RunConfig
from capgap.lm.model import Transformer
from capgap.lm.mup import (
    optimizer_groups,
    parameter_groups,
    parameter_rules,
    rules_table,
    standard_groups,
)

CONFIG = RunConfig(depth=3, tokens=4096, corpus="x", peak_learning_rate=0.02)


def model() -> Transformer:
    return Transformer(CONFIG.shape, 5)


def test_initialization_is_the_rule() -> None:
    """Mean and standard deviation of every tensor's entries, against those of the rule.

    Statistic: z of the sample standard deviation, whose error is std / sqrt(2 n); bound 4.5 of
    24 tensors (false alarm below 1e-3), and the control, a rule 10% off, fails it.
    """
    parameters = dict(model().named_parameters())
    rules = parameter_rules(model(), CONFIG.shape)
    assert [rule.name for rule in rules] == list(parameters)
    misses = []
    for rule in rules:
        values = parameters[rule.name].detach().double()
        assert rule.shape == tuple(values.shape)
        if rule.init_std == 0:
            assert torch.equal(values, torch.full_like(values, rule.init_mean))
            continue
        error = rule.init_std / math.sqrt(2 * values.numel())
        assert abs(float(values.std()) - rule.init_std) < 4.5 * error, rule.name
        assert abs(float(values.mean())) < 4.5 * rule.init_std / math.sqrt(values.numel())
        misses.append(abs(float(values.std()) - 1.1 * rule.init_std) > 4.5 * error)
    assert all(misses)


def test_rates_and_decay_of_every_parameter() -> None:
    """Written out by hand for width 48 at base width 64, weight decay 1e-4."""
    rules = {rule.name: rule for rule in parameter_rules(model(), CONFIG.shape)}
    for name, rule in rules.items():
        matrix = name.split(".")[-2] in ("qkv", "out", "gate_up", "down", "head")
        gain = "norm" in name
        assert rule.rate == (64 / 48 if matrix else 1.0), name
        assert rule.decay == (0.0 if gain else 1e-4), name
    assert rules["head.weight"].init_std == 0.0
    assert rules["embedding.weight"].init_std == 1.0
    assert rules["blocks.0.attention.qkv.weight"].init_std == 1 / math.sqrt(48)
    assert rules["blocks.2.attention.out.weight"].init_std == pytest.approx(1 / math.sqrt(48 * 6))
    assert rules["blocks.2.ffn.down.weight"].init_std == pytest.approx(
        1 / math.sqrt(CONFIG.shape.d_ff * 6)
    )


def test_groups_hold_each_parameter_once_at_its_rate() -> None:
    made = model()
    groups = parameter_groups(made, CONFIG)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rates)
    rules = {rule.name: rule for rule in parameter_rules(made, CONFIG.shape)}
    for name, parameter in made.named_parameters():
        assert rates[id(parameter)] == 0.02 * rules[name].rate
    # The order that optimizer states of checkpoints are kept in: matrices, tables, gains.
    assert [len(group["params"]) for group in groups] == [4 * 3 + 1, 1, 4 * 3 + 1]
    assert all(group["peak"] == group["lr"] for group in groups)


def test_decay_is_independent_of_rate_and_width() -> None:
    """One AdamW step with zero gradients shrinks by `weight_decay` exactly, gains not at all."""
    for depth in (2, 5):
        config = RunConfig(depth=depth, tokens=4096, corpus="x", weight_decay=0.01)
        made = Transformer(config.shape, 0)
        before = {name: p.detach().clone() for name, p in made.named_parameters()}
        for parameter in made.parameters():
            parameter.grad = torch.zeros_like(parameter)
        torch.optim.AdamW(parameter_groups(made, config)).step()
        for name, parameter in made.named_parameters():
            kept = 1.0 if parameter.ndim == 1 else 0.99
            torch.testing.assert_close(parameter.detach(), kept * before[name], msg=name)


def test_parametrizations_agree_at_the_base_width_only() -> None:
    at_base = RunConfig(depth=4, tokens=4096, corpus="x")
    made = Transformer(at_base.shape, 0)
    ours, standard = parameter_groups(made, at_base), standard_groups(made, at_base)
    assert [g["lr"] for g in ours] == [g["lr"] for g in standard]
    made = model()
    ours, standard = parameter_groups(made, CONFIG), standard_groups(made, CONFIG)
    assert [g["lr"] for g in standard] == [0.02] * 3
    assert ours[0]["lr"] == pytest.approx(0.02 * 64 / 48)


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="parametrization = 'ntk' must be one of muP, standard"):
        parameter_rules(model(), CONFIG.shape, parametrization="ntk")
    with pytest.raises(InputError, match="base_width = 0"):
        parameter_rules(model(), CONFIG.shape, base_width=0)


def test_table_has_a_line_for_each_parameter() -> None:
    shape = ModelShape(depth=1)
    made = Transformer(shape)
    lines = rules_table(parameter_rules(made, shape)).splitlines()
    assert len(lines) == 1 + len(list(made.parameters()))
    assert any(line.split()[:2] == ["head.weight", "256x16"] for line in lines)


def test_a_part_of_the_rules_gives_the_groups_there_are() -> None:
    made = model()
    rules = [rule for rule in parameter_rules(made, CONFIG.shape) if rule.kind == "gain"]
    (group,) = optimizer_groups(made, rules, 0.5)
    assert group["lr"] == 0.5
    assert group["weight_decay"] == 0.0
