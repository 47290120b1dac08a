"""Families of solvable models in which students of many sizes learn from many teachers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite.ridge_chain import chain, least_squares_chain
from capgap.theory.finite.sgd import SgdStage, sgd_chain

__all__ = [
    "SETTINGS",
    "SPAN",
    "STEP_SIZE",
    "M",
    "Setting",
    "SolvableRuns",
    "solvable_runs",
    "stage_risks",
    "student_ridge",
    "student_stage",
    "tail_spectrum",
]

StudentKind = Literal["least squares", "ridge", "tuned ridge", "random features", "sgd"]
TeacherKind = Literal["perfect", "width", "samples", "trained", "stopped"]

M = 4096  # modes of every spectrum
_WIDTHS = (3, 5, 10, 20, 48, 90, 180, 400, 900, 2000)
_TEACHER_SAMPLES = 4096
STEP_SIZE = 0.2  # of SGD
SPAN = 512  # modes of the teachers whose samples vary


@dataclass(frozen=True, slots=True)
class Setting:
    r"""One family: a spectrum, a kind of student, a kind of teachers, and a design.

    Parameters
    ----------
    name : str
    student : str
        `least squares` and `ridge` on the first N_S modes; `tuned ridge`, with the ridge that
        is best for the same student on data; `random features`, N_S of them, with a ridge;
        `sgd` on the first N_S modes, a sample a step, with a step size of 0.2.
    teachers : str
        `perfect`: the target's first m modes. `width`: least squares on m modes, with
        4096 samples, so that wide teachers overfit. `samples`: least squares on 512 modes
        with more and more samples. `trained`: tuned ridge on all modes with more and more
        samples. `stopped`: all modes, 4096 samples, less and less ridge.
    a, alpha : float
        :math:`\lambda_i = i^{-a}` and :math:`t_m = m^{-\alpha}`.
    noise : float
        :math:`\sigma^2` of the data; it is the irreducible loss E.
    ridge : float
        Of `ridge` and `random features` students.
    N, D : tuple of int
        Widths N_S and samples D_S of the students.

    Examples
    --------
    >>> one = Setting("small", "least squares", "perfect", noise=1.0, N=(4, 8), D=(64, 128))
    >>> len(solvable_runs(one).taught), len(solvable_runs(one).alone)
    (40, 4)
    """

    name: str
    student: StudentKind
    teachers: TeacherKind
    a: float = 1.5
    alpha: float = 0.5
    noise: float = 1.0
    ridge: float = 0.0
    N: tuple[int, ...] = (16, 40, 100, 250)
    D: tuple[int, ...] = (1024, 2560, 6400, 16000)


_MODES, _SAMPLES = (64, 160, 400, 1000), (128, 320, 800, 2000)

_ON_MODES = (
    Setting("LS, slow tail", "least squares", "perfect"),
    Setting("LS, fast tail", "least squares", "perfect", alpha=1.0, noise=0.1),
    Setting("LS, few samples", "least squares", "perfect", D=(300, 700, 1700, 4000)),
    Setting("LS, overfitting teachers", "least squares", "width", noise=0.1),
    Setting("LS, teachers of more samples", "least squares", "samples"),
)
_ON_KERNELS = (
    Setting("ridge, bend 3", "ridge", "perfect", ridge=1e-3),
    Setting("ridge, bend 1.5", "ridge", "perfect", alpha=1.0, noise=0.1, ridge=1e-3),
    Setting("ridge, bend 4", "ridge", "perfect", a=2.0, noise=0.3, ridge=1e-4),
    Setting("tuned ridge, bend 3", "tuned ridge", "perfect"),
    Setting("tuned ridge, bend 2", "tuned ridge", "perfect", a=2.0, alpha=1.0, noise=0.1),
    Setting("tuned ridge, trained teachers", "tuned ridge", "trained"),
    Setting("tuned ridge, stopped teachers", "tuned ridge", "stopped"),
    Setting("SGD, perfect teachers", "sgd", "perfect"),
    Setting("RF, perfect teachers", "random features", "perfect", ridge=1e-3),
    Setting("RF, trained teachers", "random features", "trained", 2.0, 1.0, noise=0.3, ridge=1e-4),
)
SETTINGS = (
    *_ON_MODES,
    *(replace(one, N=_MODES, D=_SAMPLES) for one in _ON_KERNELS),
    Setting(
        "ridgeless, wide", "ridge", "perfect", ridge=1e-9,
        N=(1000, 1600, 2500, 4000), D=(32, 80, 200, 480),
    ),
)  # fmt: skip
"""Two or more of every kind of student, over decays, noises and kinds of teachers."""


@dataclass(frozen=True, slots=True)
class SolvableRuns:
    """Exact losses of a setting: noise + excess risk, or the excess alone.

    `taught` has the teachers of a student in the order of their family, weakest first where
    they do not overfit; `alone` are students of the same sizes trained on data.
    """

    setting: Setting
    taught: RunTable
    alone: RunTable
    excess: bool


@cache
def tail_spectrum(a: float, alpha: float, size: int = M) -> Spectrum:
    r"""Return eigenvalues :math:`i^{-a}` and a target with tails of exactly :math:`m^{-\alpha}`.

    The last mode carries all that is left, and the first half as much as all the others.

    Examples
    --------
    >>> spectrum = tail_spectrum(1.5, 0.5)
    >>> [round(spectrum.tail(m), 12) for m in (0, 1, 4, 100)]
    [1.5, 1.0, 0.5, 0.1]
    """
    tails = np.concatenate([[1.5], np.arange(1.0, size) ** -alpha, [0.0]])
    unit = np.arange(1.0, size + 1) ** -a
    return Spectrum(unit, np.sqrt(-np.diff(tails) / unit))


def solvable_runs(setting: Setting, *, excess: bool = False) -> SolvableRuns:
    """Return the runs of a setting, without noise of any kind.

    Parameters
    ----------
    setting : Setting
    excess : bool
        Whether losses are excess risks; else the noise of the data is added, as E is part of
        a loss in nats.

    Raises
    ------
    InputError
        A student that its kind cannot make, such as least squares with too few samples.
    """
    floor = 0.0 if excess else setting.noise
    teachers = list(_teachers(setting))
    taught, alone = [], []
    for N in setting.N:
        for D in setting.D:
            own = student_stage(setting, N, D, setting.noise)
            alone.append((N, D, floor + stage_risks(setting, [own])[-1]))
            student = student_stage(setting, N, D)
            for teacher in teachers:
                L_T, L_S = stage_risks(setting, [teacher, student])
                taught.append((N, D, floor + L_S, floor + L_T))
    source = f"{setting.name}, theory"
    return SolvableRuns(
        setting,
        RunTable(*np.array(taught, dtype=np.float64).T, source=source),
        RunTable(*np.array(alone, dtype=np.float64).T, source=source),
        excess,
    )


def student_stage(setting: Setting, N: int, D: int, noise: float = 0.0) -> Stage:
    """The student of N modes or features and D samples, with noise on its labels."""
    ridge = student_ridge(setting, N, D)
    if setting.student == "random features":
        return Stage(M, D, ridge, noise, random_features=N)
    return Stage(N, D, ridge, noise)


def student_ridge(setting: Setting, N: int, D: int) -> float:
    """The student's ridge: fixed, or with the least risk of the same student on data."""
    if setting.student == "tuned ridge":
        return _tuned(setting.a, setting.alpha, N, D, setting.noise)
    return setting.ridge


@cache
def _tuned(a: float, alpha: float, N: int, D: int, noise: float) -> float:
    """The ridge with the least risk on data."""
    spectrum = tail_spectrum(a, alpha)

    def risk(log_ridge: float) -> float:
        return chain(spectrum, [Stage(N, D, float(np.exp(log_ridge)), noise)]).risk[0]

    found = minimize_scalar(risk, bounds=(-25.0, 2.0), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _teachers(setting: Setting) -> Iterator[Stage]:
    noise, kind = setting.noise, setting.teachers
    if kind == "perfect":
        yield from (Stage(m, inf) for m in _WIDTHS)
    elif kind == "width":
        yield from (Stage(m, _TEACHER_SAMPLES, 0.0, noise) for m in _WIDTHS)
    elif kind == "samples":
        yield from (Stage(SPAN, n, 0.0, noise) for n in _counts(1000, 1e6))
    elif kind == "trained":
        for n in _counts(30, 1e5):
            yield Stage(M, n, _tuned(setting.a, setting.alpha, M, n, noise), noise)
    else:
        for ridge in np.geomspace(0.3, 1e-5, len(_WIDTHS)):
            yield Stage(M, _TEACHER_SAMPLES, float(ridge), noise)


def _counts(least: float, most: float) -> list[int]:
    return [int(n) for n in np.geomspace(least, most, len(_WIDTHS))]


def stage_risks(setting: Setting, stages: list[Stage]) -> tuple[float, ...]:
    """Excess risk of each stage on the setting's spectrum; exact for least squares and SGD.

    Raises
    ------
    InputError
        An SGD student of a teacher that is not perfect.
    """
    spectrum = tail_spectrum(setting.a, setting.alpha)
    if setting.student == "least squares":
        return least_squares_chain(spectrum, stages).risk
    if setting.student == "sgd":
        return _sgd_risks(spectrum, stages)
    return chain(spectrum, stages).risk


def _sgd_risks(spectrum: Spectrum, stages: list[Stage]) -> tuple[float, ...]:
    student = stages[-1]
    trained = SgdStage(student.features, int(student.samples), STEP_SIZE, student.label_noise)
    if len(stages) == 1:
        return sgd_chain(spectrum, [trained])
    m = stages[0].features
    if stages[0].samples != inf:
        raise InputError(f"stage_risks: samples = {stages[0].samples:g} must be infinite with sgd")
    # What the teacher lacks no student sees, and no student's error is correlated with it.
    known = np.where(np.arange(spectrum.size) < m, spectrum.coefficients, 0.0)
    missing = spectrum.tail(m)
    rest = sgd_chain(Spectrum(spectrum.eigenvalues, known), [trained])[0]
    return missing, missing + rest
