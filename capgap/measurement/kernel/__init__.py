"""Kernel models on samples, batched over replications: what the theory is held against."""

from capgap.measurement.kernel.chain import (
    sampled_capacity,
    sampled_chain,
    sampled_least_squares_pair,
)
from capgap.measurement.kernel.population import sampled_population
from capgap.measurement.kernel.sampled import Sampled
from capgap.measurement.kernel.self_distillation import sampled_self_distillation
from capgap.measurement.kernel.sgd import sampled_sgd_chain, sampled_sgd_pair

__all__ = [
    "Sampled",
    "sampled_capacity",
    "sampled_chain",
    "sampled_least_squares_pair",
    "sampled_population",
    "sampled_self_distillation",
    "sampled_sgd_chain",
    "sampled_sgd_pair",
]
