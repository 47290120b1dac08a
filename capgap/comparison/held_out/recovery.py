"""How often a comparison names the law that made the runs: plant, fit, compare, count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, solve
from capgap.comparison.held_out.compare import compare_laws
from capgap.comparison.held_out.comparison import Measure
from capgap.comparison.held_out.rollout import binomial_interval
from capgap.errors import InputError

__all__ = ["Recovery", "law_recovery", "planted"]

Plant = Callable[[np.random.Generator], Mapping[str, Fit]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Outcomes of comparisons of runs that `truth` made.

    `right` counts the comparisons that left the true law alone as best, `abstained` those
    that left it and others, `wrong` those that beat it by another law. `difference` is the
    mean size of the held-out errors of the true law less that of its best rival, shape (n,).
    """

    truth: str
    right: int
    abstained: int
    wrong: int
    difference: FloatArray

    @property
    def replications(self) -> int:
        """Number of comparisons."""
        return self.right + self.abstained + self.wrong

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Exact binomial interval of the share that is right."""
        return binomial_interval(self.right, self.replications, level)


def law_recovery(
    plant: Plant,
    truth: str,
    *,
    replications: int,
    seed: int,
    groups: str | npt.ArrayLike = "cell",
    folds: int = 12,
    level: float = 0.95,
    measure: Measure = "absolute",
) -> Recovery:
    """Compare the laws on many simulated sets of runs and count the verdicts.

    Parameters
    ----------
    plant : callable
        From a generator to all laws, fitted to one simulated set of runs, as `planted` makes.
    truth : str
        Name of the law that makes the runs.
    replications, seed : int
    groups, folds, level, measure
        As in `compare_laws`. Warm searches are checked in the first replication alone.

    Raises
    ------
    InputError
        Fewer than one replication, or what `compare_laws` refuses.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=4000.0, B=20000.0, alpha=0.5, beta=0.5, gamma=0.5)
    >>> N, D = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9], [1e9, 4e9, 1e10, 4e10]))
    >>> L = law.loss(N, D)
    >>> fits = {"plain": fit_supervised(N, D, L, gamma=1.0), "gamma": fit_supervised(N, D, L)}
    >>> found = law_recovery(planted(fits, "gamma", 1e-4), "gamma", replications=3, seed=0)
    >>> found.right, found.wrong
    (3, 0)
    """
    if replications < 1:
        raise InputError(f"law_recovery: replications = {replications} must be at least 1")
    counts = {"right": 0, "abstained": 0, "wrong": 0}
    differences = []
    for number, generator in enumerate(np.random.default_rng(seed).spawn(replications)):
        fits = plant(generator)
        if truth not in fits:
            raise InputError(f"law_recovery: truth = {truth!r} must be among {', '.join(fits)}")
        found = compare_laws(
            fits, seed=seed, groups=groups, folds=folds, level=level, measure=measure,
            checked=2 if number == 0 else 0,
        )  # fmt: skip
        won = found.best == (truth,)
        counts["right" if won else "abstained" if truth in found.best else "wrong"] += 1
        size = {score.name: float(np.mean(np.abs(score.error))) for score in found.laws}
        differences.append(size.pop(truth) - min(size.values()))
    return Recovery(truth, **counts, difference=np.array(differences))


def planted(
    fits: Mapping[str, Fit],
    truth: str,
    noise: float | None = None,
    *,
    shared: float = 0.0,
    groups: npt.ArrayLike | None = None,
) -> Plant:
    """Simulate runs of one of several fitted laws at its own design, for `law_recovery`.

    Parameters
    ----------
    fits : mapping of Fit
        Laws fitted to the same runs; every set of simulated losses is fitted with all of
        them, from their own optima and from all starts.
    truth : str
        The law whose fitted values are the true losses.
    noise : float or None
        Standard deviation of one run's log loss; that of the residuals by default.
    shared : float
        Share of the variance, 0 to 1, that the runs of one cell have in common.
    groups : array_like, shape (n,), optional
        Cells for `shared`; runs of equal (N, D) by default.

    Raises
    ------
    InputError
        An unknown law, a share outside 0 .. 1, or a noise that is not finite and >= 0.
    """
    if truth not in fits:
        raise InputError(f"planted: truth = {truth!r} must be among {', '.join(fits)}")
    source = fits[truth]
    size = source.noise if noise is None else noise
    if not (np.isfinite(size) and size >= 0):
        raise InputError(f"planted: noise = {size:g} must be finite and at least 0")
    if not 0 <= shared <= 1:
        raise InputError(f"planted: shared = {shared:g} must be between 0 and 1")
    cell = cell_index(source.problem.inputs, groups)
    fitted = source.residual + source.problem.log_loss

    def plant(rng: np.random.Generator) -> dict[str, Fit]:
        own = np.sqrt(1 - shared) * rng.standard_normal(cell.size)
        common = np.sqrt(shared) * rng.standard_normal(int(cell.max()) + 1)[cell]
        y = fitted + size * (own + common)
        return {
            name: solve(replace(fit.problem, log_loss=y, start=fit.x)) for name, fit in fits.items()
        }

    return plant
