"""Laws and questions that the tests of the planner share."""

from dataclasses import replace

import numpy as np

from capgap.prediction.scenario import Limits
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, law_set, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws

OWN = supervised_law()
STUDENT = replace(OWN, B=0.8 * OWN.B)
EQ8 = distillation_law()

LAWS = {
    "reconstructed": law_set().laws,
    "printed": law_set("printed").laws,
    "reduced": Laws(OWN, EQ8.reduced()),
    "hinge": Laws(OWN, HingeLaw(STUDENT, rho=0.8, s=0.05, c=2e-3, p=0.25, q=0.01)),
    "additive hinge": Laws(OWN, AdditiveHingeLaw(STUDENT, rho=0.8, s=0.05, c=2e-3, p=0.25, q=0.01)),
    # Undefined below 2.43e7 student tokens, where rho(D_S) = 1 - 30 D_S^-.2 is not positive.
    "late hinge": Laws(
        OWN, HingeLaw(STUDENT, rho=1.0, s=0.05, c=2e-3, p=0.25, q=0.01, r=30.0, m=0.2)
    ),
}
HARD = {
    # Beyond the convexity limit: two minima in L_T.
    "two minima": Laws(OWN, replace(EQ8, f1=1 / 40, c0=0.5, c1=2.0)),
    # The gap closes within 1% of the teacher's loss.
    "steep knee": Laws(OWN, replace(EQ8, f1=1 / 100, c0=0.5, c1=20.0)),
    # A corner .2% wide: the loss is all but V-shaped in the teacher's.
    "sharp hinge": Laws(OWN, HingeLaw(STUDENT, rho=0.9, s=0.002, c=2e-3, p=0.25, q=0.01)),
}
LIMITS = {
    "none": Limits(),
    "little text for students": Limits(D_S=3e9),
    "little text": Limits(D_T=(1e6, 1e12), D_S=1e10),
    "few teachers": Limits(N_T=(1e8, 1e11), D_T=(1e9, 1e12)),
    "few tokens for teachers": Limits(D_T=(1e10, 1e11)),
    "both ends": Limits(D_T=(3e9, 1e13), D_S=1e12),
}
TAUGHT = ("best", "inference", "pretraining", "both")
FEWEST = {"late hinge": 2.5e7}


def questions(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes 1e8 to 3e10 and budgets 1e20 to 1e26, log-uniform."""
    rng = np.random.default_rng(seed)
    return 10 ** rng.uniform(8, np.log10(3e10), count), 10 ** rng.uniform(20, 26, count)
