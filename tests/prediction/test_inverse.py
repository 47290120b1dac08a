"""The inverse of a plan, and the compute ratios of the paper's appendix D.5."""

import numpy as np
import pytest
from prediction.planning import LAWS, OWN, questions

from capgap.errors import InputError
from capgap.prediction.allocation import allocate
from capgap.prediction.inverse import least_compute
from capgap.prediction.scenario import SCENARIOS, Limits
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import Laws


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", LAWS)
def test_plan_and_inverse_agree(name: str, scenario: str) -> None:
    """plan(inverse(L)) = L to 1e-9 nat, and inverse(plan(C)) = C as far as the plan's loss
    knows the budget: 1e-13 nat over its slope, which is above 1e-4 nat per e-fold here."""
    laws = LAWS[name]
    N_S, C = questions(10, seed=11)
    C = C * 1e-3 + 1e19  # where the loss still falls visibly
    loss = allocate(laws, N_S, C, scenario).student_loss
    found = least_compute(laws, N_S, loss, scenario)
    assert set(found.status) == {"reached"}
    np.testing.assert_allclose(found.allocation.student_loss, loss, rtol=0, atol=1e-9)
    again = allocate(laws, N_S, found.budget, scenario).student_loss
    np.testing.assert_allclose(again, loss, rtol=0, atol=1e-9)
    slope = -np.gradient(
        allocate(laws, N_S, C * np.exp([[-0.01], [0.0], [0.01]]), scenario).student_loss,
        0.01, axis=0,
    )[1]  # fmt: skip
    sharp = slope > 1e-4
    assert sharp.sum() >= 5
    np.testing.assert_allclose(np.log(found.budget / C)[sharp], 0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "expected"), [("reconstructed", (0.81, 0.54)), ("printed", (0.09, 0.00))]
)
def test_compute_ratios_of_appendix_d5(name: str, expected: tuple[float, float]) -> None:
    """Distilled with the teacher's inference paid over supervised, for 2.4 nats at 500M and
    2.2 at 10B; to the two digits stated. The paper says 3/4 and 1/2, and credits them to
    pretraining and inference together, which gives ratios above 1 under both sets."""
    laws = law_set(name)
    sizes, targets = [5e8, 1e10], [2.4, 2.2]
    alone = least_compute(laws, sizes, targets, "supervised").budget
    ratio = least_compute(laws, sizes, targets, "inference").budget / alone
    np.testing.assert_allclose(ratio, expected, atol=0.005)
    assert np.all(least_compute(laws, sizes, targets, "both").budget > alone)


def test_supervised_in_closed_form() -> None:
    """D_S = (B / ((L - E)^(1/gamma) - A/N^alpha))^(1/beta)."""
    N, L = 1e9, 2.3
    bracket = (L - OWN.E) ** (1 / OWN.gamma) - OWN.A / N**OWN.alpha
    found = least_compute(Laws(OWN), N, L, "supervised")
    np.testing.assert_allclose(found.allocation.D_S, (OWN.B / bracket) ** (1 / OWN.beta), rtol=1e-9)


def test_unreachable_losses_come_with_what_can_be_reached() -> None:
    laws = LAWS["reconstructed"]
    limits = Limits(D_S=1e11)
    found = least_compute(laws, 1e9, [2.3, 2.0], "both", limits=limits)
    assert found.status.tolist() == ["reached", "unreachable"]
    assert np.isnan(found.budget[1])
    assert found.allocation.budget[1] == 1e32
    best = laws.taught.best_loss(1e9, 1e11)  # with all compute in the world only text is short
    np.testing.assert_allclose(found.infimum, best, rtol=1e-12)
    supervised = least_compute(laws, 1e9, 2.0, "supervised", limits=limits)
    assert supervised.status == "unreachable"
    assert supervised.infimum == OWN.loss(1e9, 1e11)


def test_losses_that_any_budget_beats() -> None:
    found = least_compute(LAWS["reconstructed"], 1e9, 1e3, "both")
    assert found.status == "at the least budget"
    assert found.allocation.student_loss < 1e3
    assert found.budget.shape == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1e9, 0.0, "both"), "target_loss = 0 must be finite and > 0"),
        ((np.inf, 2.0, "supervised"), "N_S = inf must be finite and > 0"),
        ((1e9, 2.0, "none"), "scenario = 'none' must be one of"),
    ],
)
def test_bad_questions(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        least_compute(law_set(), *arguments)


def test_laws_without_a_teacher_and_too_low_a_ceiling() -> None:
    with pytest.raises(InputError, match="needs a distillation law"):
        least_compute(Laws(OWN), 1e9, 2.0, "both")
    with pytest.raises(InputError, match="is too small"):
        least_compute(law_set(), 1e9, 2.0, "both", highest=1e9)
