"""Configurations of every solvable model, with the mistakes that the comparison must see."""

from capgap.comparison.agreement.catalog.chains import chain_configurations
from capgap.comparison.agreement.catalog.digits import digit_configurations
from capgap.comparison.agreement.catalog.least_squares import least_squares_configurations
from capgap.comparison.agreement.catalog.population import population_configurations
from capgap.comparison.agreement.catalog.random_features import random_feature_configurations
from capgap.comparison.agreement.catalog.self_distillation import self_distillation_configurations
from capgap.comparison.agreement.catalog.sgd import sgd_configurations
from capgap.comparison.agreement.catalog.students import student_configurations
from capgap.comparison.agreement.configuration import Configuration
from capgap.errors import InputError

__all__ = ["configurations", "find"]


def configurations(real_data: bool = True) -> tuple[Configuration, ...]:
    """All configurations in the order of the theory's sections.

    Parameters
    ----------
    real_data : bool
        Whether to include kernels on digits, which need scikit-learn.

    Examples
    --------
    >>> names = [c.name for c in configurations(real_data=False)]
    >>> len(names) >= 30, len(set(names)) == len(names)
    (True, True)
    """
    return (
        *population_configurations(),
        *least_squares_configurations(),
        *chain_configurations(),
        *student_configurations(),
        *random_feature_configurations(),
        *self_distillation_configurations(),
        *sgd_configurations(),
        *(digit_configurations() if real_data else ()),
    )


def find(name: str) -> Configuration:
    """The configuration of a name, kernels on digits aside.

    Raises
    ------
    InputError
        No configuration has it.
    """
    found = [c for c in configurations(real_data=False) if c.name == name]
    if not found:
        raise InputError(f"find: no configuration {name!r}")
    return found[0]
