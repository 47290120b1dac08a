"""A law by its name, fitted to a table of runs: the door of the command line."""

from capgap.comparison.fitting.fit import (
    Fit,
    HingeTerm,
    Kind,
    OwnMode,
    fit_distillation,
    fit_supervised,
)
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

__all__ = ["LAWS", "SUPERVISED_LAWS", "TAUGHT_LAWS", "fit_table"]

_KINDS: dict[str, Kind] = {
    "distillation": "eq8",
    "distillation-reduced": "eq8-reduced",
    "distillation-power": "eq8-power",
    "hinge": "hinge",
    "hinge-additive": "hinge-additive",
}
SUPERVISED_LAWS = ("plain", "supervised")
TAUGHT_LAWS = tuple(_KINDS)
LAWS = (*SUPERVISED_LAWS, *TAUGHT_LAWS)


def fit_table(
    table: RunTable,
    law: str,
    *,
    supervised_law: SupervisedLaw | None = None,
    supervised_runs: RunTable | None = None,
    own: OwnMode = "fixed",
    terms: tuple[HingeTerm, ...] = ("scale",),
    gamma: float | None = None,
    delta: float | None = None,
    use_standard_errors: bool = False,
) -> Fit:
    """Fit a law, by name, to a table.

    Parameters
    ----------
    table : RunTable
        Runs without teachers for `plain` and `supervised`, with teachers for the others.
    law : str
        `plain` (gamma = 1), `supervised` (Eq. 1), `distillation` (Eq. 8),
        `distillation-reduced` (its limit c1 to infinity), `distillation-power` (without the
        transition), `hinge` or `hinge-additive`.
    supervised_law : SupervisedLaw or None
        The student's supervised law with own = "fixed".
    supervised_runs : RunTable or None
        Runs without teachers: fitted first with own = "fixed" if no law is given, and part
        of the objective with own = "joint".
    own, terms, gamma, delta
        As in `fit_distillation`; gamma is the supervised law's, where that is fitted.
    use_standard_errors : bool
        Count residuals in the tables' standard errors, and delta with them.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        An unknown law, a table of the wrong kind, an argument that the law does not take, or
        what `fit_supervised` and `fit_distillation` refuse.

    Examples
    --------
    >>> import numpy as np
    >>> own = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 3), np.tile([1e9, 1e10, 1e11], 3)
    >>> fit = fit_table(RunTable(N, D, own.loss(N, D)), "plain")
    >>> round(fit.coefficients["beta"], 9)
    0.37
    """
    if law not in LAWS:
        raise InputError(f"fit_table: law = {law!r} must be one of {', '.join(LAWS)}")
    if use_standard_errors and table.standard_error is None:
        raise InputError(f"fit_table: {table.source} must have standard errors to be weighed by")
    if law in SUPERVISED_LAWS:
        if table.taught:
            raise InputError(
                f"fit_table: law = {law!r} must have runs without teachers, and"
                f" {table.source} has L_T"
            )
        if supervised_law is not None or supervised_runs is not None or own != "fixed":
            raise InputError(
                f"fit_table: law = {law!r} is the supervised law, and takes no other"
                " (supervised_law, supervised_runs, own)"
            )
        return _fit_alone(table, law, gamma, delta, use_standard_errors)
    if not table.taught:
        raise InputError(
            f"fit_table: law = {law!r} must have runs with teachers, and {table.source} has no L_T"
        )
    assert table.L_T is not None
    if own == "fixed":
        supervised_law = _given(
            law, supervised_law, supervised_runs, gamma, delta, use_standard_errors
        )
        supervised_runs, gamma = None, None
    return fit_distillation(
        _KINDS[law],
        table.N,
        table.D,
        table.L_T,
        table.loss,
        supervised=supervised_law,
        supervised_runs=supervised_runs,
        own=own,
        terms=terms,
        gamma=gamma,
        delta=delta,
        standard_errors=table.standard_error if use_standard_errors else None,
    )


def _fit_alone(
    table: RunTable, law: str, gamma: float | None, delta: float | None, use_standard_errors: bool
) -> Fit:
    if law == "plain":
        if gamma not in (None, 1.0):
            raise InputError(f"fit_table: gamma = {gamma:g} must be 1 for law = 'plain'")
        gamma = 1.0
    errors = table.standard_error if use_standard_errors else None
    return fit_supervised(
        table.N, table.D, table.loss, gamma=gamma, delta=delta, standard_errors=errors
    )


def _given(
    law: str,
    supervised_law: SupervisedLaw | None,
    runs: RunTable | None,
    gamma: float | None,
    delta: float | None,
    use_standard_errors: bool,
) -> SupervisedLaw | None:
    """The supervised law that is held fixed, fitted to its runs if they are given instead."""
    if runs is None:
        if supervised_law is None and law != "distillation-power":
            raise InputError(
                f"fit_table: law = {law!r} with own = 'fixed' must have a supervised law or"
                " supervised runs; own = 'profiled' does without"
            )
        return supervised_law
    if supervised_law is not None:
        raise InputError(
            "fit_table: supervised_law and supervised_runs must not both be given with own ="
            " 'fixed'"
        )
    if runs.taught:
        raise InputError(f"fit_table: supervised_runs ({runs.source}) must have no L_T")
    if use_standard_errors and runs.standard_error is None:
        raise InputError(f"fit_table: {runs.source} must have standard errors to be weighed by")
    found = _fit_alone(runs, "supervised", gamma, delta, use_standard_errors).law
    assert isinstance(found, SupervisedLaw)
    return found
