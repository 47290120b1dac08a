"""Which of several laws foretells runs best: differences of held-out errors, with intervals."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.search import Fit
from capgap.comparison.held_out.comparison import Comparison, Labels, LawScore, Measure, Pair
from capgap.comparison.held_out.cross_validation import cross_validate
from capgap.comparison.held_out.differences import clustered_mean
from capgap.comparison.held_out.leave_one_cell_out import held_out_inside
from capgap.comparison.held_out.rollout import Rollout, rollout
from capgap.errors import InputError

__all__ = ["compare_laws", "compare_rollouts"]


def compare_laws(
    fits: Mapping[str, Fit],
    *,
    seed: int,
    groups: str | npt.ArrayLike = "cell",
    folds: int = 12,
    level: float = 0.95,
    measure: Measure = "absolute",
    draws: int = 0,
    shared: bool = False,
    checked: int = 2,
) -> Comparison:
    """Compare laws by cross-validation: the same groups of runs are held out from each.

    Parameters
    ----------
    fits : mapping of Fit
        Two or more, by name, to the same runs with the same weights.
    seed : int
        Of the folds, where groups are put together, and of the coverage.
    groups : str or array_like, shape (n,)
        What is left out together and varies together: "cell" (runs of equal size and
        tokens), an input's name ("N_S": one student size at a time, "L_T": one teacher at a
        time), or labels.
    folds : int
        Groups are left out one at a time if there are at most so many; else they are dealt
        out to so many folds at random.
    level, measure
        Of the intervals on the differences, and which difference decides the verdict:
        "absolute" errors, or "squared" ones, on which the worst groups weigh more and which
        therefore name the right law less often.
    draws, shared
        Refits per fold behind the 90% prediction intervals whose coverage is reported, 0 for
        none; and as in `capgap.comparison.intervals.bootstrap`.
    checked : int
        As in `cross_validate`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        Fewer than two laws or three groups, fits to different runs, an unknown input or
        measure, or a fold without which a law cannot be fitted.

    Notes
    -----
    The interval treats groups as the units that vary, so it speaks of new cells (students,
    teachers) like these. It does not contain: an error of a supervised law that was given to
    a law, extrapolation beyond the groups there are, and the search for the best of many.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=4000.0, B=20000.0, alpha=0.5, beta=0.5, gamma=0.5)
    >>> N, D = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9], [1e9, 4e9, 1e10, 4e10]))
    >>> L = law.loss(N, D) * np.exp(0.001 * np.tile([1, -1, -1, 1, 1, -1], 2))
    >>> fits = {"plain": fit_supervised(N, D, L, gamma=1.0), "gamma": fit_supervised(N, D, L)}
    >>> found = compare_laws(fits, seed=0)
    >>> found.laws[0].name, found.pair("plain", "gamma").squared.groups
    ('gamma', 12)
    """
    first = _same_runs(fits)
    group = _groups(first, groups)
    if group.max() < 2:
        raise InputError(f"compare_laws: {group.max() + 1} groups, must be at least 3")
    fold = _folds(group, folds, seed)
    used = first.problem.weights > 0
    scores = []
    for name, fit in fits.items():
        held = cross_validate(fit, fold, checked=checked)
        inside = held_out_inside(held, seed=seed, n=draws, shared=shared) if draws else None
        scores.append(
            LawScore(name, fit.x.size, held.error[used],
                     float("nan") if inside is None else float(inside[used].mean()), held.status)
        )  # fmt: skip
    return _compare(scores, group[used], level, measure, cross_validated=True)


def compare_rollouts(
    fits: Mapping[str, Fit],
    below: str | npt.ArrayLike,
    *,
    seed: int,
    groups: str | npt.ArrayLike = "cell",
    level: float = 0.95,
    measure: Measure = "absolute",
    draws: int = 0,
    shared: bool = False,
) -> tuple[Comparison, dict[str, Rollout]]:
    """Compare laws by what they foretell beyond a cutoff.

    Parameters
    ----------
    fits, seed, groups, level, measure, draws, shared
        As in `compare_laws`.
    below : str or array_like of bool, shape (n,)
        As in `rollout`.

    Returns
    -------
    Comparison, dict of Rollout by law

    Raises
    ------
    InputError
        As in `compare_laws` and `rollout`.

    Notes
    -----
    All predictions of a law come from one fit. The interval is conditional on these fits: it
    tells which of them foretells large runs better, not which law would after other small
    runs. With fewer than three groups held out it is infinite and tells nothing apart.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=4000.0, B=20000.0, alpha=0.5, beta=0.5, gamma=0.5)
    >>> N, D = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9], [1e9, 4e9, 1e10, 4e10]))
    >>> L = law.loss(N, D)
    >>> fits = {"plain": fit_supervised(N, D, L, gamma=1.0), "gamma": fit_supervised(N, D, L)}
    >>> found, rolled = compare_rollouts(fits, "C<1e19", seed=0)
    >>> found.laws[0].name, rolled["gamma"].maximum < 1e-6 < rolled["plain"].median
    ('gamma', True)
    """
    first = _same_runs(fits)
    group = _groups(first, groups)
    rolled = {
        name: rollout(fit, below, seed=seed, draws=draws, shared=shared)
        for name, fit in fits.items()
    }
    scores = [
        LawScore(name, fits[name].x.size, np.log(one.predicted / one.observed), one.coverage,
                 (one.fit.status,))
        for name, one in rolled.items()
    ]  # fmt: skip
    run = next(iter(rolled.values())).run
    return _compare(scores, group[run], level, measure, cross_validated=False), rolled


def _compare(
    scores: list[LawScore],
    group: Labels,
    level: float,
    measure: Measure,
    *,
    cross_validated: bool,
) -> Comparison:
    if measure not in ("squared", "absolute"):
        raise InputError(f"compare_laws: measure = {measure!r} must be squared or absolute")
    ordered = tuple(sorted(scores, key=lambda score: score.root_mean_square))
    pairs = tuple(
        Pair(
            one.name,
            other.name,
            clustered_mean(
                one.error**2 - other.error**2, group, level, cross_validated=cross_validated
            ),
            clustered_mean(
                np.abs(one.error) - np.abs(other.error),
                group,
                level,
                cross_validated=cross_validated,
            ),
            measure,
        )
        for one, other in combinations(ordered, 2)
    )
    return Comparison(ordered, pairs, group, level)


def _same_runs(fits: Mapping[str, Fit]) -> Fit:
    if len(fits) < 2:
        raise InputError(f"compare_laws: {len(fits)} laws, must be at least 2")
    first = next(iter(fits.values()))
    for name, fit in fits.items():
        one, other = first.problem, fit.problem
        if not (
            np.array_equal(one.log_loss, other.log_loss)
            and np.array_equal(one.weights > 0, other.weights > 0)
        ):
            raise InputError(f"compare_laws: {name} must be fitted to the same runs as the others")
    return first


def _groups(fit: Fit, groups: str | npt.ArrayLike) -> Labels:
    inputs = fit.problem.inputs
    if not isinstance(groups, str):
        return cell_index(inputs, groups)
    if groups == "cell":
        return cell_index(inputs)
    if groups not in inputs:
        raise InputError(
            f"compare_laws: groups = {groups!r} must be cell or among {', '.join(inputs)}"
        )
    return cell_index(inputs, inputs[groups])


def _folds(group: Labels, folds: int, seed: int) -> Labels:
    """The fold of each run: its group, or a random deal of the groups."""
    if folds < 2:
        raise InputError(f"compare_laws: folds = {folds} must be at least 2")
    count = int(group.max()) + 1
    if count <= folds:
        return group
    deal = np.random.default_rng(seed).permutation(count) % folds
    return np.asarray(deal[group], dtype=np.int64)
