"""Records whose losses come from planted laws: what a fit must recover."""

import dataclasses
import itertools

import numpy as np

from capgap.lm.config import RunConfig
from capgap.measurement.records import Machine, RunRecord
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

OWN = SupervisedLaw(E=0.6, A=40.0, B=2000.0, alpha=0.45, beta=0.55, gamma=0.8)
TAUGHT = HingeLaw(OWN, rho=0.7, s=0.05, c=0.15)
CORPUS = "sotu-5638fc954340"
MACHINE = Machine("cpu", 1, "p", "q", {"torch": "2"}, "0", 1.0, 1.0, "2026-01-01T00:00:00Z")


def record(config: RunConfig, loss: float, L_T: float | None = None) -> RunRecord:
    """A finished run with this validation loss on three documents."""
    return RunRecord(
        config=config, status="ok", failure=None, N=config.shape.N, D=config.D,
        unique_tokens=config.D, loss=loss, standard_error=0.02, bits_per_byte=loss / np.log(2),
        document_losses=(loss - 0.1, loss, loss + 0.1), document_tokens=(100, 100, 100), L_T=L_T,
        curve=((config.D, loss, None),), flops=1e12, weights_sha256="0", machine=MACHINE,
    )  # fmt: skip


def records(noise: float, seed: int = 0) -> list[RunRecord]:
    """Six sizes by four token counts alone (three seeds in two cells), and 42 taught."""
    rng = np.random.default_rng(seed)

    def noisy(loss: float) -> float:
        return float(loss * np.exp(noise * rng.standard_normal()))

    made = []
    for depth, exponent in itertools.product(range(1, 7), range(20, 24)):
        seeds = range(3) if (depth, exponent) in ((2, 20), (3, 20)) else range(1)
        for s in seeds:
            config = RunConfig(depth=depth, tokens=2**exponent, corpus=CORPUS, seed=s)
            made.append(record(config, noisy(float(OWN.loss(config.shape.N, config.D)))))
    teachers = [
        RunConfig(depth=d, tokens=2**e, corpus=CORPUS, half="teacher")
        for d, e in ((1, 22), (2, 22), (3, 22), (4, 23), (5, 23), (6, 23), (6, 20))
    ]
    for teacher in teachers:
        L_T = float(OWN.loss(teacher.shape.N, teacher.D))
        made.append(record(teacher, L_T))
        for depth, exponent in itertools.product((2, 3, 4), (20, 22)):
            alone = RunConfig(depth=depth, tokens=2**exponent, corpus=CORPUS)
            config = dataclasses.replace(alone, teacher=teacher, distillation_weight=1.0)
            loss = float(TAUGHT.loss(config.shape.N, config.D, L_T))
            made.append(record(config, noisy(loss), L_T))
    return made
