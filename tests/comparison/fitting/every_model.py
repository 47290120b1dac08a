"""One model of every law and of every way to know the supervised law, at a small design."""

import numpy as np

from capgap.comparison.fitting.distillation_fit import (
    KINDS,
    TERMS,
    Form,
    distillation_model,
    joint_model,
)
from capgap.comparison.fitting.log_models import LogModel, SupervisedModel
from capgap.comparison.fitting.user_law import UserModel
from capgap.theory.coefficients import distillation_law, supervised_law

OWN = supervised_law()
N, D, L_T = (
    a.ravel() for a in np.meshgrid([1e8, 7e8, 4e9], [2e9, 3e10, 2e11], [1.7, 2.2, 2.9])
)  # fmt: skip
L = distillation_law().loss(N, D, L_T)
INPUTS = {"N_S": N, "D_S": D, "L_T": L_T}
ALONE_N, ALONE_D = (a.ravel() for a in np.meshgrid([5e7, 5e8, 5e9], [3e9, 3e10, 4e11]))
ALONE_L = OWN.loss(ALONE_N, ALONE_D)


class Product:
    """The product form A (N/1e9)^-a (D/1e10)^-b, without a gradient of its own."""

    names = ("A", "a", "b")
    bounds = np.log([[0.1, 10.0], [0.01, 1.0], [0.01, 1.0]])

    def log_loss(self, log_params: np.ndarray, inputs: dict[str, np.ndarray]) -> np.ndarray:
        log_A, log_a, log_b = log_params.T[..., None]
        fall = np.exp(log_a) * np.log(inputs["N"] / 1e9) + np.exp(log_b) * np.log(
            inputs["D"] / 1e10
        )
        return log_A - fall


def every_model() -> dict[str, LogModel]:
    """By name; those that start with "alone" take N and D, those with "joint" both kinds."""
    found: dict[str, LogModel] = {
        "alone": SupervisedModel.build(N, D, L, None),
        "alone, gamma = 1": SupervisedModel.build(N, D, L, 1.0),
        "alone, user": UserModel(Product(), {"N": N, "D": D}),
    }
    alone = {"N": ALONE_N, "D": ALONE_D}
    for kind in KINDS:
        hinge = kind.startswith("hinge")
        for terms in ((), ("scale",), ("q",), ("tokens", "p", "r"), TERMS) if hinge else ((),):
            form = Form(kind, frozenset(terms))
            name = f"{kind}, {'-'.join(terms)}" if terms else kind
            found[f"fixed: {name}"] = distillation_model(form, INPUTS, L, OWN, None, False)
            if len(terms) in (0, 5):
                found[f"joint: {name}"] = joint_model(form, alone, ALONE_L, INPUTS, None)
            if kind != "eq8-power" and len(terms) in (0, 3):
                found[f"profiled: {name}"] = distillation_model(form, INPUTS, L, None, None, True)
    found["fixed: eq8-power without a law"] = distillation_model(
        Form("eq8-power", frozenset()), INPUTS, L, None, None, False
    )
    found["joint: hinge, gamma = 1"] = joint_model(
        Form("hinge", frozenset({"scale"})), alone, ALONE_L, INPUTS, 1.0
    )
    found["profiled: eq8, gamma = 1"] = distillation_model(
        Form("eq8", frozenset()), INPUTS, L, None, 1.0, True
    )
    return found


def observed(name: str) -> np.ndarray:
    """Log losses at the runs of a model."""
    return np.log(np.concatenate([ALONE_L, L]) if name.startswith("joint") else L)


def inputs_of(name: str) -> dict[str, np.ndarray]:
    """Inputs of the runs of a model."""
    if name.startswith("alone"):
        return {"N": N, "D": D}
    if name.startswith("joint"):
        none = np.full_like(ALONE_L, np.nan)
        parts = ((ALONE_N, N), (ALONE_D, D), (none, L_T))
        return dict(zip(INPUTS, map(np.concatenate, parts), strict=True))
    return INPUTS
