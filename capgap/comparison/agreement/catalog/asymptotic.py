"""What configurations of deterministic equivalents have in common."""

from collections.abc import Callable, Sequence

from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.comparison.agreement.finite_size import larger_spectrum, larger_stages
from capgap.measurement.kernel import Sampled, sampled_chain
from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite.ridge_chain import chain

__all__ = ["REPLICATIONS", "SCALES", "asymptotic_chain"]

SCALES = (2, 4, 8)
REPLICATIONS = 80000  # at scale 1


def asymptotic_chain(
    name: str,
    model: str,
    spectrum: Spectrum,
    stages: Sequence[Stage],
    *,
    features: str = "gaussian",
    theory: Callable[[], tuple[float, ...]] | None = None,
    controls: tuple[Control, ...] = (),
) -> Configuration:
    """A chain simulated at several sizes, `chain` its theory unless another is given."""

    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        return sampled_chain(
            larger_spectrum(spectrum, scale),
            larger_stages(stages, scale),
            replications=replications,
            seed=seed,
            features="rademacher" if features == "rademacher" else "gaussian",
        )

    return Configuration(
        name=f"{model} {name}",
        model=model,
        kind="asymptotic",
        features=features,
        theory=theory or (lambda: chain(spectrum, stages).risk),
        simulate=simulate,
        replications=REPLICATIONS,
        scales=SCALES,
        controls=controls,
    )
