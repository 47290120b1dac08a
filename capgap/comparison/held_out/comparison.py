"""How several laws foretold the same runs: scores, differences, verdicts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Status
from capgap.comparison.held_out.differences import ClusteredMean
from capgap.errors import InputError

__all__ = ["Comparison", "Labels", "LawScore", "Measure", "Pair"]

Measure = Literal["squared", "absolute"]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LawScore:
    """How one law foretold the held-out runs.

    Attributes
    ----------
    name : str
    coefficients : int
        Number fitted.
    error : array, shape (m,)
        Log predicted minus log observed loss.
    coverage : float
        Share of runs inside their prediction intervals; NaN if none were asked for.
    status : tuple of str
        Status of each fit behind the predictions. Where one is not identified or has not
        converged, what it foretells outside its runs is an accident of the search.
    """

    name: str
    coefficients: int
    error: FloatArray
    coverage: float
    status: tuple[Status, ...]

    @property
    def unsettled(self) -> int:
        """How many of the fits are not identified or have not converged."""
        return sum(status in ("not-identified", "not-converged") for status in self.status)

    @property
    def root_mean_square(self) -> float:
        """Root mean square of the log errors."""
        return float(np.sqrt(np.mean(self.error**2)))

    @property
    def median_absolute(self) -> float:
        """Median size of the log errors."""
        return float(np.median(np.abs(self.error)))


@dataclass(frozen=True, slots=True)
class Pair:
    """One law against another.

    `squared` is the mean of (error of one)^2 - (error of other)^2, `absolute` that of the
    sizes; below 0 `one` is better. `verdict` is the name of the better law, or None where
    the interval of `measure` holds 0: the runs do not tell the two apart.
    """

    one: str
    other: str
    squared: ClusteredMean
    absolute: ClusteredMean
    measure: Measure

    @property
    def verdict(self) -> str | None:
        """The better law, or None."""
        found = self.squared if self.measure == "squared" else self.absolute
        if found.high < 0:
            return self.one
        return self.other if found.low > 0 else None

    @property
    def words(self) -> str:
        """The verdict as words."""
        if self.verdict is None:
            return f"{self.one} and {self.other}: not told apart"
        worse = self.other if self.verdict == self.one else self.one
        return f"{self.verdict} better than {worse}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Laws in the order of held-out root mean square error, best first, and all pairs.

    `level` is that of one pair's interval: among k laws there are k (k - 1)/2 of them.
    """

    laws: tuple[LawScore, ...]
    pairs: tuple[Pair, ...]
    group: Labels
    level: float

    @property
    def best(self) -> tuple[str, ...]:
        """Names of the laws that no other law is better than."""
        beaten = {
            pair.one if pair.verdict == pair.other else pair.other
            for pair in self.pairs
            if pair.verdict is not None
        }
        return tuple(law.name for law in self.laws if law.name not in beaten)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each law whose predictions are not all to be trusted."""
        return tuple(
            f"{law.name}: {law.unsettled} of {len(law.status)} fits are not identified or did not"
            " converge; what they foretell is an accident of the search"
            for law in self.laws
            if law.unsettled
        )

    def pair(self, one: str, other: str) -> Pair:
        """Two laws by name, in either order."""
        for pair in self.pairs:
            if {pair.one, pair.other} == {one, other}:
                return pair
        raise InputError(
            f"Comparison: {one}, {other} must be two of {', '.join(x.name for x in self.laws)}"
        )
