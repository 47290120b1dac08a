"""What is wrong with a design before any law is fitted to it."""

import numpy as np
import numpy.typing as npt

from capgap.comparison.diagnosis.finding import Finding, Severity, counted, listed_rows, row_numbers
from capgap.comparison.diagnosis.repeats import (
    copies,
    losses_are_coarse,
    repeat_index,
    seed_noise_of,
)
from capgap.comparison.diagnosis.representative import (
    CANNOT_BEAT_TEACHER,
    OWN_BRACKET,
    Unseen,
    canonical,
    unseen,
)
from capgap.comparison.diagnosis.units import suspected_units
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.domain import FloatArray

__all__ = ["examine_design", "students_below_teachers"]

_ON_A_LINE = 0.05  # largest departure of log D from the line that rounding of D explains
_ON_A_CURVE = 0.98  # share of the variance of log D (or log L_T) that the other inputs explain
_SEEDS = 0.03  # standard deviation of log loss that no change of seed explains
_BEATEN = 0.01  # of the teacher's loss: less may be noise, at least with small models
_SPARE_RUNS = 3  # runs beyond the coefficients, below which residuals say next to nothing


def examine_design(runs: RunTable, law: str) -> tuple[Finding, ...]:
    """What these runs cannot tell about a law, and what looks wrong in them.

    Parameters
    ----------
    runs : RunTable
    law : str
        `plain`, `supervised`, `distillation` (or `eq8`), `distillation-reduced`
        (`eq8-reduced`), `distillation-power` (`eq8-power`), `hinge`, or any other name, for
        which the checks that need the law's form are left out. Laws of distillation are
        examined with the student's supervised law given.

    Returns
    -------
    tuple of Finding
        In the order of the package's table; empty for a sound design.

    Raises
    ------
    InputError
        A law of distillation without teacher losses, or a supervised one with them.

    Notes
    -----
    With a single N the term A/N^alpha is a constant: A, alpha and E are one number. With two
    values of N the plain law sees two values of that term, for three unknowns; with gamma
    free the two terms interact and two values are enough in principle, which costs a warning.
    Which it is comes from the rank of the law's Jacobian on the design, not from a list.
    All runs on D = c N^k make both terms powers of N, so that A, alpha and B, k beta can be
    exchanged; where k < 0 (one budget) they cannot, but nothing is known off the curve.

    Examples
    --------
    >>> N = np.repeat([1e7, 1e8, 1e9], 3)
    >>> runs = RunTable(N, 20 * N, 2 + 1e3 / N**0.4 + 1e3 / (20 * N) ** 0.4)
    >>> [(finding.code, finding.severity) for finding in examine_design(runs, "plain")][:2]
    [('few-values', 'refuse'), ('too-few-runs', 'refuse')]
    """
    law = canonical(law)
    _check(runs, law)
    same = repeat_index(runs.inputs, runs.cell)
    found = _single_values(runs)
    if not found:
        cannot = unseen(runs, law)
        found += _few_values(runs, law, cannot) + _too_few(runs, cannot) + _collinear(runs, law)
    found += _duplicates(runs, same) + _disagreeing(runs, same)
    if law in CANNOT_BEAT_TEACHER:
        found += students_below_teachers(runs, "which Eq. 8 cannot express")
    return (*found, *suspected_units(runs))


def _check(runs: RunTable, law: str) -> None:
    needs_teacher = law in CANNOT_BEAT_TEACHER or law.startswith("hinge")
    if needs_teacher and not runs.taught:
        raise InputError(f"examine_design: {runs.source} has no L_T, must have it for {law}")
    if law in ("plain", "supervised") and runs.taught:
        raise InputError(f"examine_design: {runs.source} has L_T, must be without it for {law}")


def _single_values(runs: RunTable) -> list[Finding]:
    return [
        Finding(
            "single-value", "refuse",
            f"all {len(runs)} runs have {name} = {value[0]:g}: how the loss depends on {name}"
            " cannot be seen",
        )
        for name, value in runs.inputs.items() if np.unique(value).size == 1
    ]  # fmt: skip


def _few_values(runs: RunTable, law: str, cannot: Unseen | None) -> list[Finding]:
    counts = {name: np.unique(value).size for name, value in runs.inputs.items()}
    few = [
        f"{count} values of {name}"
        for name, count in counts.items()
        if count < 3 and (name == "L_T" or law in OWN_BRACKET)
    ]
    together = () if cannot is None else cannot.together
    if together:
        have = counted(few or [f"{count} values of {name}" for name, count in counts.items()])
        return [
            Finding(
                "few-values", "refuse",
                f"{have} cannot tell {counted(together)} of the {law} law apart",
            )
        ]  # fmt: skip
    return [
        Finding(
            "few-values", "warn",
            f"only {counted(few)}: level and power of that dependence are told apart by the"
            f" curvature of the {law} law alone",
        )
    ] if few else []  # fmt: skip


def _too_few(runs: RunTable, cannot: Unseen | None) -> list[Finding]:
    if cannot is None:
        return []
    needed = len(cannot.names)
    different = int(repeat_index(runs.inputs).max()) + 1
    if different < needed:
        what = f"{different} different runs for {needed} coefficients"
        return [Finding("too-few-runs", "refuse", f"{what}: at least {needed} are needed")]
    if len(runs) < needed + _SPARE_RUNS:
        what = f"{len(runs)} runs for {needed} coefficients"
        spare = len(runs) - needed
        return [
            Finding(
                "too-few-runs", "warn",
                f"{what}: {spare} to spare, so the residuals say little about noise or fit",
            )
        ]  # fmt: skip
    return []


def _collinear(runs: RunTable, law: str) -> list[Finding]:
    n, d = np.log(runs.N), np.log(runs.D)
    found = []
    slope, constant = np.polyfit(n - n.mean(), d, 1)
    departure = np.max(np.abs(d - constant - slope * (n - n.mean())))
    share = _explained(d, _powers(n))
    exact = departure < _ON_A_LINE
    if exact or share > _ON_A_CURVE:
        exchangeable = exact and slope > 0 and law in OWN_BRACKET
        severity: Severity = "refuse" if exchangeable else "warn"
        found.append(
            Finding("collinear-design", severity, _along(slope, exact, exchangeable, share))
        )
    if runs.L_T is not None:
        share = _explained(np.log(runs.L_T), np.concatenate([_powers(n), _powers(d)[:, 1:]], 1))
        if share > _ON_A_CURVE:
            found.append(
                Finding(
                    "collinear-design", "warn",
                    f"N and D explain {share:.1%} of the variance of log L_T: what the teacher"
                    " does cannot be told from what the student's size and tokens do",
                )
            )  # fmt: skip
    return found


def _along(slope: float, exact: bool, exchangeable: bool, share: float) -> str:
    where = f"D follows N^{slope:.2f} in every run" if exact else (
        f"N explains {share:.1%} of the variance of log D"
    )  # fmt: skip
    if exchangeable:
        why = "the terms in N and in D can be exchanged, and with equal powers they are one"
    else:
        why = "what N does can hardly be told from what D does, and nothing is known elsewhere"
    return f"{where}: {why}"


def _powers(x: FloatArray) -> FloatArray:
    """1, x and, where there are values enough for it to mean something, its square."""
    centered = x - x.mean()
    degree = 2 if np.unique(x).size > 4 else 1
    return np.stack([centered**k for k in range(degree + 1)], axis=1)


def _explained(y: FloatArray, columns: FloatArray) -> float:
    """Share of the variance of y that the columns explain, less what chance would."""
    spare = y.size - columns.shape[1]
    if spare < 1 or np.ptp(y) == 0:
        return 0.0
    rest = y - columns @ np.linalg.lstsq(columns, y)[0]
    return float(1 - (rest @ rest / spare) / np.var(y, ddof=1))


def _duplicates(runs: RunTable, same: npt.NDArray[np.int64]) -> list[Finding]:
    copy = copies(same, runs.loss)
    if not np.any(copy):
        return []
    rows = row_numbers(runs, copy)
    coarse = losses_are_coarse(runs.loss)
    why = "seeds may agree by rounding" if coarse else "each run should count once"
    return [
        Finding(
            "duplicate-rows", "note" if coarse else "warn",
            f"{listed_rows(rows)} repeat earlier rows in all inputs and to the last"
            f" digit of the loss: {why}",
            rows,
        )
    ]  # fmt: skip


def _disagreeing(runs: RunTable, same: npt.NDArray[np.int64]) -> list[Finding]:
    noise = seed_noise_of(runs, same)
    if not noise.standard_deviation > _SEEDS:
        return []
    return [
        Finding(
            "repeats-disagree", "warn",
            f"runs of equal inputs differ by {noise.standard_deviation:.1%} (one standard"
            f" deviation, {noise.degrees_of_freedom} degrees of freedom), far more than seeds do:"
            " something that is not a column differs between them",
        )
    ]  # fmt: skip


def students_below_teachers(runs: RunTable, consequence: str) -> list[Finding]:
    """Students with a lower loss than their teachers, as a finding; none without teachers."""
    below = np.zeros(len(runs), dtype=bool) if runs.L_T is None else runs.loss < runs.L_T
    if runs.L_T is None or not np.any(below):
        return []
    rows = row_numbers(runs, below)
    most = float(np.max((1 - runs.loss / runs.L_T)[below]))
    severity: Severity = "warn" if most > _BEATEN else "note"
    by = float(np.median((runs.L_T - runs.loss)[below]))
    return [
        Finding(
            "student-below-teacher", severity,
            f"{len(rows)} of {len(runs)} students beat their teachers, by"
            f" {by:.2g} nats at the median, {consequence} ({listed_rows(rows)})",
            rows,
        )
    ]  # fmt: skip
