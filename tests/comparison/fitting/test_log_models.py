"""Coordinates of the laws: they predict what the laws say, and their gradients are right.

Oracles: the laws in capgap.theory, and central differences.
"""

import numpy as np
import pytest

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.log_models import LogModel, SupervisedModel
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
N, D, L_T = (
    a.ravel() for a in np.meshgrid([1e8, 7e8, 4e9], [2e9, 3e10, 2e11], [1.7, 2.2, 2.9])
)  # fmt: skip
L = distillation_law().loss(N, D, L_T)
INPUTS = {"N_S": N, "D_S": D, "L_T": L_T}


def models() -> dict[str, LogModel]:
    hinge = {
        "hinge": HingeModel.build(N, D, L_T, L, OWN, frozenset({"scale"})),
        "hinge, fixed level": HingeModel.build(N, D, L_T, L, OWN, frozenset({"q"})),
        "hinge, p and q": HingeModel.build(N, D, L_T, L, OWN, frozenset({"scale", "p", "q"})),
        "hinge, tokens": HingeModel.build(N, D, L_T, L, OWN, frozenset({"tokens"})),
        "hinge, scale and tokens": HingeModel.build(
            N, D, L_T, L, OWN, frozenset({"scale", "tokens", "p"})
        ),
        "hinge, free": HingeModel.build(N, D, L_T, L, None, frozenset({"p"})),
    }
    return {
        "supervised": SupervisedModel.build(N, D, L, None),
        "supervised, gamma = 1": SupervisedModel.build(N, D, L, 1.0),
        "eq8-reduced": ReducedModel.build(N, D, L_T, OWN),
        "eq8": Eq8Model.build(N, D, L_T, OWN),
        **hinge,
    }


MODELS = models()


def points(model: LogModel, count: int, seed: int) -> np.ndarray:
    """Coordinates scattered about the model's own starts, inside its bounds."""
    rng = np.random.default_rng(seed)
    starts = model.starts(np.log(L))
    chosen = starts[rng.integers(len(starts), size=count)]
    low, high = model.bounds.T
    moved = chosen + 0.02 * (high - low) * rng.uniform(-1, 1, chosen.shape)
    return np.clip(moved, low + 1e-3, high - 1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_and_names_agree(name: str) -> None:
    model = MODELS[name]
    size = len(model.names)
    x = points(model, 5, 1)
    prediction, jacobian = model.evaluate(x)
    assert model.bounds.shape == (size, 2)
    assert x.shape == (5, size)
    assert prediction.shape == (5, N.size)
    assert jacobian.shape == (5, N.size, size)
    starts = model.starts(np.log(L))
    assert np.all(np.isfinite(model.predict(starts)))


@pytest.mark.parametrize("name", MODELS)
def test_prediction_is_the_law_of_the_coefficients(name: str) -> None:
    model = MODELS[name]
    for x in points(model, 20, 2):
        law = model.law(x)
        said = law.loss(N, D) if isinstance(law, SupervisedLaw) else law.loss(N, D, L_T)
        np.testing.assert_allclose(model.predict(x[None])[0], np.log(said), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_against_central_differences(name: str) -> None:
    model = MODELS[name]
    x = points(model, 40, 3)
    jacobian = model.evaluate(x)[1]
    h = 1e-5
    for i in range(x.shape[1]):
        step = h * (np.arange(x.shape[1]) == i)
        numeric = (model.predict(x + step) - model.predict(x - step)) / (2 * h)
        scale = 1 + np.abs(jacobian[..., i]).max()
        np.testing.assert_allclose(jacobian[..., i] / scale, numeric / scale, atol=2e-6)


@pytest.mark.parametrize("name", MODELS)
def test_other_runs_keep_the_coordinates(name: str) -> None:
    model = MODELS[name]
    x = points(model, 3, 4)
    keys = {"N": N, "D": D} if name.startswith("supervised") else INPUTS
    part = model.at({key: value[::2] for key, value in keys.items()})
    np.testing.assert_allclose(part.predict(x), model.predict(x)[:, ::2], rtol=0, atol=1e-13)


def test_supervised_coordinates_invert_the_coefficients() -> None:
    for gamma in (None, OWN.gamma):
        model = SupervisedModel.build(N, D, L, gamma)
        back = model.coefficients(model.coordinates(OWN))
        assert back == pytest.approx(
            {"E": OWN.E, "A": OWN.A, "B": OWN.B, "alpha": OWN.alpha, "beta": OWN.beta,
             "gamma": OWN.gamma}, rel=1e-12,
        )  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_coefficients_are_finite_in_every_corner_of_the_bounds(name: str) -> None:
    """A = exp((u + a n)/gamma + ...) must neither overflow nor vanish, so the law exists."""
    model = MODELS[name]
    rng = np.random.default_rng(5)
    low, high = model.bounds.T
    for _ in range(300):
        corner = np.where(rng.random(low.size) < 0.5, low, high)
        law = model.law(corner)
        prediction, jacobian = model.evaluate(corner[None])
        assert np.all(np.isfinite(prediction))
        assert np.all(np.isfinite(jacobian))
        assert law is not None
