"""What kernel models are made of: eigenvalues, a target, and the stages of a distillation."""

from capgap.spectrum.spectrum import Spectrum, exponential, power_law
from capgap.spectrum.stage import Stage

__all__ = ["Spectrum", "Stage", "exponential", "power_law"]
