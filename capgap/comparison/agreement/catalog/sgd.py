"""2f: one-pass SGD at both stages."""

from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.measurement.kernel import Sampled, sampled_sgd_chain
from capgap.spectrum import Spectrum, power_law
from capgap.theory.finite.sgd import SgdStage, sgd_chain

__all__ = ["sgd_configurations"]


def sgd_configurations() -> tuple[Configuration, ...]:
    """Larger and smaller teachers, an assistant, large steps, random signs."""
    power = power_law(20, 1.0, 1.5)
    larger = [SgdStage(15, 100, 0.05, 0.3), SgdStage(8, 60, 0.08)]
    smaller = [SgdStage(5, 150, 0.1, 0.1), SgdStage(12, 80, 0.1)]
    large_step = [SgdStage(20, 60, 0.25, 0.1), SgdStage(6, 40, 0.3)]
    assisted = [SgdStage(20, 100, 0.05, 0.1), SgdStage(12, 80, 0.08), SgdStage(6, 60, 0.1)]
    return (
        _configuration("larger teacher", power, larger),
        _configuration("smaller teacher", power, smaller),
        _configuration(
            "large steps", power, large_step,
            Control("fourth moment of random signs", lambda: sgd_chain(power, large_step, -2.0)),
        ),
        _configuration("large steps, random signs", power, large_step, features="rademacher"),
        _configuration("one assistant", power, assisted),
    )  # fmt: skip


def _configuration(
    words: str,
    spectrum: Spectrum,
    stages: list[SgdStage],
    *controls: Control,
    features: str = "gaussian",
) -> Configuration:
    signs = features == "rademacher"

    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        return sampled_sgd_chain(
            spectrum, stages, replications=replications, seed=seed,
            features="rademacher" if signs else "gaussian",
        )  # fmt: skip

    return Configuration(
        name=f"2f {words}",
        model="2f",
        kind="exact",
        features=features,
        theory=lambda: sgd_chain(spectrum, stages, -2.0 if signs else 0.0),
        simulate=simulate,
        replications=20000,
        controls=controls,
    )
