"""A product of power laws: not the paper's law, kept to show what it does wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capgap.theory import jets
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.jets import Derivatives, Quantity

__all__ = ["ProductForm"]


@dataclass(frozen=True, slots=True)
class ProductForm:
    r"""Loss as a product of a power of size and a power of tokens. **Not the paper's law.**

    .. math:: L(N, D) = a \left(N_c/N\right)^b \left(D_c/D\right)^g + L_{min}

    A summary of the paper gives this form as its supervised law; the paper's Eq. 1 is
    `SupervisedLaw`. The two terms of Eq. 1 add up: a small model stays bad on infinite data,
    and a large one stays bad on little. Here they multiply, so the data term vanishes as N
    grows and the capacity term as D grows: an infinite model reaches L_min on **one token**.
    It can describe runs along one direction (a fixed D/N, say) and must not be used across.

    Losses in nats per token; N in non-embedding parameters, D in tokens.

    Parameters
    ----------
    scale : float
        a, the reducible loss at N = N_c, D = D_c; nats per token, > 0.
    N_c, D_c : float
        Reference parameters and tokens, > 0; only scale * N_c^b * D_c^g is identified.
    capacity_exponent, data_exponent : float
        b and g, > 0.
    L_min : float
        Irreducible loss, >= 0.

    Raises
    ------
    InputError
        A coefficient is outside its domain, or N or D is not finite and positive.

    Examples
    --------
    Half of N_c and a quarter of D_c with exponents 1 and 1/2 double the loss twice:

    >>> law = ProductForm(1.0, N_c=1e9, D_c=4e9, capacity_exponent=1.0, data_exponent=0.5)
    >>> round(float(law.loss(5e8, 1e9)), 12)
    4.0

    One token and a model of 10^30 parameters:

    >>> round(float(law.loss(1e30, 1)), 12)
    0.0
    """

    scale: float
    N_c: float
    D_c: float
    capacity_exponent: float
    data_exponent: float
    L_min: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            require("ProductForm", field.name, value, zero_allowed=field.name == "L_min")

    @property
    def irreducible_loss(self) -> float:
        """L_min, nats per token."""
        return self.L_min

    def loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Loss in nats per token; N and D broadcast against each other."""
        return jets.evaluate(_loss, self._variables("ProductForm.loss", N, D))

    def log_loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Logarithm of the loss; N and D broadcast against each other."""
        return jets.evaluate(_log_loss, self._variables("ProductForm.log_loss", N, D))

    def infinite_data_loss(self, N: npt.ArrayLike) -> FloatArray:
        """Limit D to infinity: L_min whatever N, which is what is wrong with this form."""
        size = positive_array("ProductForm.infinite_data_loss", "N", N)
        return np.full(size.shape, self.L_min)

    def derivatives(self, N: npt.ArrayLike, D: npt.ArrayLike) -> Derivatives:
        """Exact gradient and Hessian of the loss in N, D and the coefficients."""
        return jets.differentiate(_loss, self._variables("ProductForm.derivatives", N, D))

    def _variables(
        self, operation: str, N: npt.ArrayLike, D: npt.ArrayLike
    ) -> dict[str, npt.ArrayLike]:
        size, tokens = positive_array(operation, "N", N), positive_array(operation, "D", D)
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"N": size, "D": tokens, **own}


def _log_reducible(v: Mapping[str, Quantity]) -> Quantity:
    capacity = v["capacity_exponent"] * (jets.log(v["N_c"]) - jets.log(v["N"]))
    data = v["data_exponent"] * (jets.log(v["D_c"]) - jets.log(v["D"]))
    return jets.log(v["scale"]) + capacity + data


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    return v["L_min"] + jets.exp(_log_reducible(v))


def _log_loss(v: Mapping[str, Quantity]) -> Quantity:
    return jets.log_shifted(v["L_min"], _log_reducible(v))
