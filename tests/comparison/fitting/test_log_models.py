"""Coordinates of the laws: they predict what the laws say, and their gradients are right.

Oracles: the laws in capgap.theory, and difference quotients of the fourth order.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from comparison.fitting.every_model import L_T, OWN, D, N, every_model, inputs_of, observed

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.log_law import UserLaw
from capgap.comparison.fitting.log_models import LogModel, SupervisedModel
from capgap.comparison.fitting.own_law import rescaled
from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law
from capgap.theory.distillation import DistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws, LawSet, load_law_set, save_law_set
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.supervised import SupervisedLaw

MODELS = every_model()


def points(name: str, count: int, seed: int) -> np.ndarray:
    """Coordinates scattered about the model's own starts, inside its bounds."""
    model = MODELS[name]
    rng = np.random.default_rng(seed)
    starts = model.starts(observed(name))
    chosen = starts[rng.integers(len(starts), size=count)]
    low, high = model.bounds.T
    moved = chosen + 0.02 * (high - low) * rng.uniform(-1, 1, chosen.shape)
    return np.clip(moved, low + 1e-3, high - 1e-3)


def said(name: str, model: LogModel, x: np.ndarray) -> np.ndarray:
    """Losses that the law of the coordinates states at the model's runs."""
    law, inputs = model.law(x), inputs_of(name)
    if isinstance(law, UserLaw):
        return law.loss(**inputs)
    if isinstance(law, SupervisedLaw):
        return law.loss(N, D)
    alone = np.isnan(inputs["L_T"])
    taught = law.loss(*(inputs[key][~alone] for key in ("N_S", "D_S", "L_T")))
    if not np.any(alone):
        return taught
    own = model.laws(x).supervised.loss(inputs["N_S"][alone], inputs["D_S"][alone])
    return np.concatenate([own, taught])


@pytest.mark.parametrize("name", MODELS)
def test_shapes_and_names_agree(name: str) -> None:
    model = MODELS[name]
    size, n = len(model.names), observed(name).size
    x = points(name, 5, 1)
    prediction, jacobian = model.evaluate(x)
    assert len(set(model.names)) == size
    assert model.bounds.shape == (size, 2)
    assert x.shape == (5, size)
    assert prediction.shape == (5, n)
    assert jacobian.shape == (5, n, size)
    np.testing.assert_allclose(model.predict(x), prediction, rtol=0, atol=1e-14)
    starts = model.starts(observed(name))
    assert np.all(np.isfinite(model.predict(starts)))
    low, high = model.bounds.T
    assert np.all((starts >= low - 1e-12) & (starts <= high + 1e-12))


@pytest.mark.parametrize("name", MODELS)
def test_prediction_is_the_law_of_the_coordinates(name: str) -> None:
    model = MODELS[name]
    for x in points(name, 20, 2):
        np.testing.assert_allclose(
            model.predict(x[None])[0], np.log(said(name, model, x)), rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("name", MODELS)
def test_gradient_against_differences(name: str) -> None:
    """Five points, h = 1e-4: rounding errs by some 1e-12, truncation by h^4/30 times a fifth
    derivative, which a corner of softness .01 makes as large as 1e8 or so: 1e-9 together."""
    model = MODELS[name]
    x = points(name, 40, 3)
    jacobian = model.evaluate(x)[1]
    for i in range(x.shape[1]):
        step = 1e-4 * (np.arange(x.shape[1]) == i)
        near = model.predict(x + step) - model.predict(x - step)
        far = model.predict(x + 2 * step) - model.predict(x - 2 * step)
        numeric = (8 * near - far) / (12 * 1e-4)
        scale = 1 + np.abs(jacobian[..., i]).max()
        np.testing.assert_allclose(jacobian[..., i] / scale, numeric / scale, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_other_runs_keep_the_coordinates(name: str) -> None:
    model = MODELS[name]
    x = points(name, 3, 4)
    inputs = {key: value[::2] for key, value in inputs_of(name).items()}
    part = model.at(inputs)
    np.testing.assert_allclose(part.predict(x), model.predict(x)[:, ::2], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("joint")])
def test_joint_model_at_runs_of_one_kind(name: str) -> None:
    """Supervised runs by N and D, or by L_T = NaN; distillations without any supervised run."""
    model, x = MODELS[name], points(name, 3, 4)
    inputs = inputs_of(name)
    alone = np.isnan(inputs["L_T"])
    whole = model.predict(x)
    by_name = model.at({"N": inputs["N_S"][alone], "D": inputs["D_S"][alone]})
    np.testing.assert_allclose(by_name.predict(x), whole[:, alone], rtol=0, atol=1e-13)
    for keep in (alone, ~alone):
        part = model.at({key: value[keep] for key, value in inputs.items()})
        np.testing.assert_allclose(part.predict(x), whole[:, keep], rtol=0, atol=1e-13)
        assert part.evaluate(x)[1].shape == (3, int(keep.sum()), x.shape[1])


def test_supervised_coordinates_invert_the_coefficients() -> None:
    for gamma in (None, OWN.gamma):
        model = SupervisedModel.build(N, D, np.full(N.size, 3.0), gamma)
        back = model.coefficients(model.coordinates(OWN))
        assert back == pytest.approx(
            {"E": OWN.E, "A": OWN.A, "B": OWN.B, "alpha": OWN.alpha, "beta": OWN.beta,
             "gamma": OWN.gamma}, rel=1e-12,
        )  # fmt: skip


# A law does not say which part of its level is scale or tokens.
INVERTIBLE = [
    name
    for name, model in MODELS.items()
    if not name.startswith(("alone", "joint")) and not {"scale", "tokens"} & set(model.names)
]


@pytest.mark.parametrize("name", INVERTIBLE)
def test_coordinates_invert_the_law(name: str) -> None:
    """Pinned transitions come back as another law with the same losses, k = 1."""
    model: Any = MODELS[name]
    for x in points(name, 10, 6):
        back = model.coordinates(model.law(x))
        np.testing.assert_allclose(back, x, rtol=1e-8, atol=1e-8)


def test_a_pinned_knee_is_the_law_with_its_scale_moved() -> None:
    """Multiplying the supervised law by 1.1 and dividing kappa by it changes nothing."""
    law = replace(distillation_law(), c1=30.0, f1=0.2, d1=1.2)
    moved = replace(law, supervised=rescaled(law.supervised, 1.1), d1=1.2 / 1.1)
    np.testing.assert_allclose(moved.loss(N, D, L_T), law.loss(N, D, L_T), rtol=1e-13)
    model: Any = MODELS["profiled: eq8"]
    np.testing.assert_allclose(model.coordinates(moved), model.coordinates(law), rtol=1e-12)
    pinned = model.law(model.coordinates(law))
    assert isinstance(pinned, DistillationLaw)
    np.testing.assert_allclose(pinned.loss(N, D, L_T), law.loss(N, D, L_T), rtol=1e-12)
    np.testing.assert_allclose(pinned.supervised.loss(N, D), law.knee(N, D), rtol=1e-12)
    assert "d1" not in model.coefficients(model.coordinates(law))
    assert "k" not in MODELS["profiled: eq8-reduced"].coefficients(
        points("profiled: eq8-reduced", 1, 1)[0]
    )


def test_a_given_law_may_be_passed_as_it_is() -> None:
    """ReducedModel.build takes the law itself; its ratios are those of the law."""
    for kind in (ReducedModel, Eq8Model):
        model = kind.build(N, D, L_T, OWN)
        np.testing.assert_allclose(model.log_ratio, np.log(L_T / OWN.loss(N, D)), atol=1e-14)


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


@pytest.mark.parametrize("kind", ["hinge", "hinge-additive"])
def test_rho_that_grows_with_tokens(kind: str) -> None:
    """rho(D_S) of the coordinates is the law's; positive at every run of the design."""
    model: Any = MODELS[f"fixed: {kind}, tokens-p-r"]
    for x in points(f"fixed: {kind}, tokens-p-r", 20, 8):
        law = model.law(x)
        assert isinstance(law, HingeLaw | AdditiveHingeLaw)
        rho = law.rho_at(D)
        order = np.argsort(D)
        assert np.all(np.diff(rho[order]) >= -1e-12)
        missing = x[model.names.index("r")]
        center = float(law.rho_at(np.exp(np.log(D).mean())))
        assert rho.min() == pytest.approx(center * (1 - missing), rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_every_fit_can_be_a_law_set_or_says_why_not(name: str, tmp_path) -> None:
    model, x = MODELS[name], points(name, 1, 7)[0]
    if name == "alone, user":
        with pytest.raises(InputError, match=r"Product, a user's law, cannot be planned with"):
            model.laws(x)
        return
    if name.startswith("profiled: eq8"):
        with pytest.raises(InputError, match="its scale is a convention"):
            model.laws(x, OWN)
        return
    outside = name.startswith("profiled") or name == "fixed: eq8-power without a law"
    if outside:
        with pytest.raises(InputError, match="supervised = None, must be a SupervisedLaw"):
            model.laws(x)
    else:
        with pytest.raises(InputError, match="supervised must be None"):
            model.laws(x, replace(OWN, E=1.0))
    laws = model.laws(x, OWN) if outside else model.laws(x)
    if not name.startswith("alone"):
        assert laws.taught == model.law(x)
        assert isinstance(laws.taught, HingeLaw | AdditiveHingeLaw | PowerDistillationLaw) or (
            laws.taught.supervised == laws.supervised  # type: ignore[union-attr]
        )
    save_law_set(LawSet("mine", laws, "planted"), tmp_path / "mine.json")
    read = load_law_set(tmp_path / "mine.json")
    assert read.laws == laws
    assert isinstance(laws, Laws)


def test_eq8_keeps_its_power_law_far_beyond_the_knee() -> None:
    """A sharp knee (f1 = 0.005, c1 f1 = 0.01): there (L_T/(d1 L))^(1/f1) is e^100 and more, and
    the factor is a power of L_T, not a constant. Oracle: the law itself."""
    N_S, D_S = np.full(5, 3e8), np.full(5, 1e10)
    teachers = float(OWN.loss(3e8, 1e10)) * np.array([0.7, 0.95, 1.0, 1.3, 1.9])
    law = DistillationLaw(
        OWN, c0=1.0, c1=2.0, f1=0.005, d1=1.0, A=2000.0, B=1e6, alpha=0.35, beta=0.6, gamma=0.7
    )
    model = Eq8Model.build(N_S, D_S, teachers, OWN)
    value = model.predict(model.coordinates(law)[None])[0]
    loss = law.loss(N_S, D_S, teachers)
    np.testing.assert_allclose(value, np.log(loss), rtol=0, atol=1e-12)
