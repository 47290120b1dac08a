"""Serving: against brute force over the student's size, and against the plan without it."""

import numpy as np
import pytest
from prediction.brute_force import SHARES, brute_force
from prediction.planning import LAWS, OWN, TAUGHT

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import SCENARIOS, Limits
from capgap.prediction.serving import plan_serving
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import Laws

FAMILY = ModelFamily()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", ["reconstructed", "hinge", "late hinge"])
def test_a_given_size_pays_for_serving_first(name: str, scenario: str) -> None:
    N_S, C, T = np.array([3e8, 3e9]), 1e23, 2e12
    found = plan_serving(LAWS[name], C, scenario, T, N_S=N_S)
    serving = FAMILY.forward_flops(N_S) * T
    plain = allocate(LAWS[name], N_S, C - serving, scenario)
    np.testing.assert_array_equal(found.serving_flops, serving)
    np.testing.assert_array_equal(found.allocation.student_loss, plain.student_loss)
    np.testing.assert_allclose(found.flops, C, rtol=1e-12)


@pytest.mark.parametrize("serve", [0.0, 1e12, 1e14])
def test_the_best_size_alone(serve: float) -> None:
    """20,001 sizes: their step, 8e-4, leaves 1e-6 nat."""
    C = 1e23
    sizes = np.geomspace(1e6, 1e13, 20_001)
    left = C - FAMILY.forward_flops(sizes) * serve
    sizes, left = sizes[left > 0], left[left > 0]
    D_S = np.maximum(left / (3 * FAMILY.forward_flops(sizes)), 1.0)
    least = OWN.loss(sizes, D_S).min()
    found = plan_serving(LAWS["printed"], C, "supervised", serve).allocation
    assert least - 1e-6 < found.student_loss <= least + 1e-12


@pytest.mark.parametrize("scenario", TAUGHT)
def test_the_best_size_with_a_teacher(scenario: str) -> None:
    """31 sizes around what is found, each with its teacher from brute force: none is better;
    and none anywhere, on 15 sizes over the whole range."""
    laws, C, T = LAWS["reconstructed"], 1e22, 1e12
    found = plan_serving(laws, C, scenario, T)
    N = float(found.allocation.N_S)
    for N_S in [*N * np.geomspace(0.5, 2, 31), *np.geomspace(1e6, 1e13, 15)]:
        left = C - float(FAMILY.forward_flops(N_S)) * T
        if left < 1e17:
            continue
        least = brute_force(laws, FAMILY, N_S, left, SHARES[scenario], Limits(), points=100)
        assert found.allocation.student_loss <= least + 1e-6


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_more_served_means_smaller_and_longer_trained(scenario: str) -> None:
    found = plan_serving(LAWS["reconstructed"], 1e23, scenario, [0, 1e11, 1e12, 1e13, 1e14])
    assert np.all(np.diff(found.allocation.student_loss) > 0)
    assert np.all(np.diff(found.allocation.N_S) < 0)
    assert np.all(np.diff(found.allocation.D_S / found.allocation.N_S) > 0)


def test_a_range_of_sizes_and_a_single_one() -> None:
    laws = LAWS["reconstructed"]
    edge = plan_serving(laws, 1e23, "inference", 1e12, N_S_range=(1e6, 3e9))
    np.testing.assert_allclose(edge.allocation.N_S, 3e9, rtol=1e-12)
    one = plan_serving(laws, 1e23, "inference", 1e12, N_S_range=(1e9, 1e9))
    given = plan_serving(laws, 1e23, "inference", 1e12, N_S=1e9)
    np.testing.assert_allclose(one.allocation.student_loss, given.allocation.student_loss)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1e20, "both", 1e15), {}, "budget = 1e\\+20 FLOPs is too small: serving 1e\\+15 tokens"),
        ((1e22, "best", 1e13), {"N_S": 1e10}, "with 1e\\+10 parameters takes 2.18e\\+23"),
        ((1e22, "supervised", -1.0), {}, "serve = -1 must be finite and >= 0"),
        ((1e22, "supervised", np.nan), {}, "serve = nan must be finite and >= 0"),
        ((0.0, "supervised", 1.0), {}, "budget = 0 must be finite and > 0"),
        ((1e22, "supervised", 1.0), {"N_S_range": (1e9, 1e8)}, "N_S_range = .* must be ordered"),
        ((1e22, "none", 1.0), {}, "scenario = 'none' must be one of"),
    ],
)
def test_bad_questions(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_serving(law_set(), *arguments, **options)


def test_laws_without_a_teacher() -> None:
    with pytest.raises(InputError, match="needs a distillation law"):
        plan_serving(Laws(OWN), 1e22, "best", 1e10)
