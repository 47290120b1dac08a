"""Risks of simulated models, one row per replication."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = ["FloatArray", "Sampled"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampled:
    r"""Excess risk :math:`E_x (\hat f(x) - f^*(x))^2` of each model in independent replications.

    Parameters
    ----------
    risk : array, shape (R, stages)
        Finite, R >= 2, in the target's unit squared; a row holds one replication's models in
        the order in which they were trained.

    Raises
    ------
    InputError
        Another shape, or a risk that is not finite.

    Examples
    --------
    >>> two = Sampled([[1.0, 4.0], [3.0, 4.0]])
    >>> two.mean.tolist(), two.standard_error.tolist()
    ([2.0, 4.0], [1.0, 0.0])
    """

    risk: FloatArray

    def __post_init__(self) -> None:
        array = np.array(self.risk, dtype=np.float64)
        if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
            raise InputError(f"Sampled: risk has shape {array.shape}, must be (R >= 2, stages)")
        if not np.all(np.isfinite(array)):
            raise InputError("Sampled: risk must be finite")
        array.setflags(write=False)
        object.__setattr__(self, "risk", array)

    @property
    def replications(self) -> int:
        """R, the number of independent replications."""
        return int(self.risk.shape[0])

    @property
    def mean(self) -> FloatArray:
        """Mean risk of each stage."""
        return np.asarray(self.risk.mean(axis=0))

    @property
    def standard_error(self) -> FloatArray:
        r"""Of the mean of each stage: sample standard deviation over :math:`\sqrt R`."""
        return np.asarray(self.risk.std(axis=0, ddof=1) / np.sqrt(self.replications))
