"""Real kernels on handwritten digits, against the theory for independent features."""

from collections.abc import Callable
from functools import cache

from capgap.comparison.agreement.configuration import Configuration
from capgap.comparison.agreement.finite_size import FloatArray
from capgap.measurement.kernel import Sampled, sampled_chain
from capgap.spectrum import Stage
from capgap.spectrum.kernels import (
    KernelBasis,
    digits,
    kernel_basis,
    laplace_gram,
    rbf_gram,
    relu_ntk_gram,
)
from capgap.theory.finite.ridge_chain import chain

__all__ = ["digit_configurations"]

_LENGTH = 2.0  # of the order of the distance between images of one digit
_KERNELS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "ReLU tangent kernel": relu_ntk_gram,
    "Gaussian kernel": lambda X: rbf_gram(X, length=_LENGTH),
    "Laplace kernel": lambda X: laplace_gram(X, length=_LENGTH),
}


def digit_configurations() -> tuple[Configuration, ...]:
    """A teacher of all functions and a student of the first 40, for each kernel.

    The spectrum belongs to all 1797 images, and so does the theory's risk; images that no
    stage has seen, a part of them, are where the error is larger.
    """
    return tuple(
        _configuration(kernel, held_out) for kernel in _KERNELS for held_out in (False, True)
    )


@cache
def _basis(kernel: str) -> KernelBasis:
    pixels, labels = digits()
    return kernel_basis(_KERNELS[kernel](pixels), labels)


def _configuration(kernel: str, held_out: bool) -> Configuration:
    def stages() -> list[Stage]:
        size = _basis(kernel).spectrum.size
        return [Stage(size, 300, 1e-3), Stage(40, 100, 1e-3)]

    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        basis = _basis(kernel)
        return sampled_chain(
            basis.spectrum, stages(), features=basis.features, held_out=held_out,
            replications=replications, seed=seed,
        )  # fmt: skip

    return Configuration(
        name=f"2b digits, {kernel}, {'unseen' if held_out else 'all'} images",
        model="2b",
        kind="real data",
        features="digits",
        theory=lambda: chain(_basis(kernel).spectrum, stages()).risk,
        simulate=simulate,
        replications=200,
    )
