"""The cheapest teacher, against a scan of all sizes."""

import numpy as np
import pytest
from prediction.planning import OWN

from capgap.compute import ModelFamily
from capgap.prediction.scenario import Limits
from capgap.prediction.teacher import cheapest_teacher, parameters_for_loss, tokens_for_loss
from capgap.theory.coefficients import supervised_law

FAMILY = ModelFamily()


def test_tokens_and_parameters_invert_the_law() -> None:
    L = np.array([1.6, 2.0, 2.4, 3.0])
    N = 1e11
    D = tokens_for_loss(OWN, N, L, (1.0, 1e18))
    np.testing.assert_allclose(OWN.loss(N, D), L, rtol=1e-13)
    np.testing.assert_allclose(parameters_for_loss(OWN, D, L, (1e6, 1e18)), N, rtol=1e-10)


def test_out_of_reach_and_within_anyway() -> None:
    """1B parameters end at 1.22 + (3355/1e9^.408)^.452 = 2.08; one token gives over 80 nats."""
    assert tokens_for_loss(OWN, 1e9, 2.0, (1.0, 1e18)) == np.inf
    assert tokens_for_loss(OWN, 1e9, 90.0, (1.0, 1e18)) == 1.0
    assert parameters_for_loss(OWN, 1e9, 2.0, (1.0, 1e18)) == np.inf


@pytest.mark.parametrize("inference", [0.0, 1e10, 1e13])
@pytest.mark.parametrize("limits", [Limits(), Limits(N_T=(1e9, 1e10), D_T=(1e10, 1e12))])
def test_no_other_size_costs_less(inference: float, limits: Limits) -> None:
    """4,001 sizes, each with the fewest tokens for the loss; a step of .6% in size leaves
    less than 1e-4 of the cost. The loss is reached to rounding."""
    law = supervised_law()
    L_T = np.array([1.95, 2.1, 2.3])
    N_T, D_T = cheapest_teacher(law, FAMILY, L_T, limits, inference_tokens=inference)
    np.testing.assert_allclose(law.loss(N_T, D_T), L_T, rtol=1e-12)
    sizes = np.geomspace(*limits.N_T, 4001)[:, None]
    tokens = tokens_for_loss(law, sizes, L_T, limits.D_T)
    fits = np.abs(law.loss(sizes, np.where(np.isfinite(tokens), tokens, 1.0)) - L_T) < 1e-9
    flops = np.where(fits, FAMILY.forward_flops(sizes) * (3 * tokens + inference), np.inf)
    found = FAMILY.forward_flops(N_T) * (3 * D_T + inference)
    assert np.all(found <= flops.min(axis=0) * (1 + 1e-9))
    assert np.all(found >= flops.min(axis=0) * (1 - 1e-4)) or limits != Limits()


def test_no_teacher_of_that_loss() -> None:
    N_T, D_T = cheapest_teacher(OWN, FAMILY, [1.2, 2.0, 1e3])
    assert np.isnan([N_T[0], D_T[0], N_T[2], D_T[2]]).all()
    assert np.isfinite([N_T[1], D_T[1]]).all()
    assert cheapest_teacher(OWN, FAMILY, 2.0)[0].shape == ()
