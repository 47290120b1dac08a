"""Laws of anyone's own form: fitted, saved from misuse, and refused in one line."""

from typing import Any

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_law, fit_supervised
from capgap.comparison.fitting.log_law import LogLaw, UserLaw
from capgap.comparison.fitting.user_law import UserModel
from capgap.comparison.intervals import bootstrap
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

PLAIN = SupervisedLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 2e11, 5)))
L = PLAIN.loss(N, D)
INPUTS = {"N": N, "D": D}


class Plain:
    """E + A N^-alpha + B D^-beta, A and B in nats at 1e9 parameters and 1e10 tokens."""

    names = ("E", "A", "alpha", "B", "beta")
    bounds = np.log([[0.01, 10.0], [0.01, 10.0], [0.05, 2.0], [0.01, 10.0], [0.05, 2.0]])

    def log_loss(self, log_params: np.ndarray, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.log(sum(self.terms(log_params, inputs)))

    def terms(self, log_params: np.ndarray, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        E, A, alpha, B, beta = np.exp(log_params.T)[..., None]
        return [
            E + 0 * inputs["N"],
            A * (inputs["N"] / 1e9) ** -alpha,
            B * (inputs["D"] / 1e10) ** -beta,
        ]


class WithJacobian(Plain):
    """The same with its derivatives and its own starts."""

    def jacobian(self, log_params: np.ndarray, inputs: dict[str, np.ndarray]) -> np.ndarray:
        E, capacity, data = self.terms(log_params, inputs)
        alpha, beta = np.exp(log_params[:, 2, None]), np.exp(log_params[:, 4, None])
        log_N, log_D = np.log(inputs["N"] / 1e9), np.log(inputs["D"] / 1e10)
        columns = [E, capacity, -capacity * alpha * log_N, data, -data * beta * log_D]
        return np.stack(columns, axis=-1) / (E + capacity + data)[..., None]

    def starts(self, inputs: dict[str, np.ndarray], log_loss: np.ndarray) -> np.ndarray:
        return np.log([[np.exp(log_loss.min()) / 2, 0.3, 0.3, 0.3, 0.3]])


@pytest.mark.parametrize("law", [Plain(), WithJacobian()])
def test_it_finds_what_the_package_finds(law: Any) -> None:
    """The plain law is in the package too. Noise-free: planted; noisy: the same optimum."""
    assert isinstance(law, LogLaw)
    exact = fit_law(law, INPUTS, L)
    assert exact.status == "converged"
    planted = {"E": PLAIN.E, "A": PLAIN.A * 1e9**-PLAIN.alpha, "alpha": PLAIN.alpha}
    planted |= {"B": PLAIN.B * 1e10**-PLAIN.beta, "beta": PLAIN.beta}
    assert exact.coefficients == pytest.approx(planted, rel=1e-6)
    noisy = L * np.exp(0.01 * np.random.default_rng(3).standard_normal(N.size))
    found = fit_law(law, INPUTS, noisy, delta=1e-2)
    ours = fit_supervised(N, D, noisy, gamma=1.0, delta=1e-2)
    assert found.objective == pytest.approx(ours.objective, rel=1e-8)
    assert found.coefficients["E"] == pytest.approx(ours.coefficients["E"], rel=1e-4)


def test_its_law_can_be_asked_and_its_fit_bootstrapped() -> None:
    noisy = L * np.exp(0.01 * np.random.default_rng(3).standard_normal(N.size))
    fit = fit_law(Plain(), INPUTS, noisy, delta=1e-2)
    assert isinstance(fit.law, UserLaw)
    loss = fit.law.loss(N=[3e8, 3e9], D=2e10)
    refits = bootstrap(fit, seed=0, n=20)
    limits = refits.prediction_interval(0.99, N=[3e8, 3e9], D=2e10)
    assert np.all((limits.low < loss) & (loss < limits.high))
    np.testing.assert_allclose(np.log(fit.law.loss(**INPUTS)), fit.residual + np.log(noisy))
    with pytest.raises(InputError, match="inputs N must be N, D"):
        fit.law.loss(N=1e8)
    with pytest.raises(InputError, match=r"UserLaw\.loss: D = -1 must be"):
        fit.law.loss(N=1e8, D=-1)


def test_differences_are_as_right_as_they_are_said_to_be() -> None:
    """Oracle: the derivatives written out. Stated: about 1e-10."""
    law = WithJacobian()
    model = UserModel(law, INPUTS)
    rng = np.random.default_rng(1)
    low, high = model.bounds.T
    x = low + (high - low) * rng.random((50, 5))
    np.testing.assert_allclose(model.differences(x), law.jacobian(x, INPUTS), rtol=0, atol=1e-9)


def change(**parts: Any) -> Any:
    return type("Changed", (Plain,), parts)()


@pytest.mark.parametrize(
    ("law", "inputs", "message"),
    [
        (object(), INPUTS, "object must have names, bounds and log_loss"),
        (change(names=("E",) * 5), INPUTS, "names = ('E', 'E', 'E', 'E', 'E') must be different"),
        (change(bounds=np.zeros((2, 2))), INPUTS, "bounds of shape (2, 2) must be (5, 2)"),
        (change(bounds=np.zeros((5, 2))), INPUTS, "bounds must be ordered, least first"),
        (Plain(), {"N": N}, "Plain needs an input 'D'"),
        (Plain(), {"N": N, "D": D[:4]}, "must be one (n,)"),
        (Plain(), {"N": -N, "D": D}, "must be finite and > 0"),
        (
            change(log_loss=lambda self, p, inputs: np.zeros(3)),
            INPUTS,
            "Changed.log_loss of 2 vectors at 30 runs has shape (3,), must be (2, 30)",
        ),
        (
            change(log_loss=lambda self, p, inputs: np.full((len(p), 30), np.nan)),
            INPUTS,
            "log_loss must be finite at one of the 1024 starts",
        ),
        (
            change(jacobian=lambda self, p, inputs: np.ones((len(p), 30, 5))),
            INPUTS,
            "Changed.jacobian must be the derivative of its log_loss",
        ),
        (
            change(jacobian=lambda self, p, inputs: np.ones((len(p), 5))),
            INPUTS,
            "Changed.jacobian of 2 vectors at 30 runs has shape (2, 5), must be (2, 30, 5)",
        ),
    ],
)
def test_bad_laws_are_one_clear_line(law: Any, inputs: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_law(law, inputs, L)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_runs_have_a_code() -> None:
    with pytest.raises(InputError, match="4 runs must be at least the 5") as caught:
        fit_law(Plain(), {"N": N[:4], "D": D[:4]}, L[:4])
    assert caught.value.code == "too-few-runs"  # type: ignore[attr-defined]
