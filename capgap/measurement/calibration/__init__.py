"""Calibration: do stated probabilities come true? Tables, errors, intervals, tests; no torch."""

from capgap.measurement.calibration.bins import (
    BINS,
    MassHistogram,
    equal_mass_edges,
    equal_width_edges,
)
from capgap.measurement.calibration.bootstrap import Interval, bootstrap
from capgap.measurement.calibration.brier import BrierParts, brier, brier_parts, multiclass_brier
from capgap.measurement.calibration.classwise import (
    classwise_ece,
    classwise_table,
    top_label_ece,
    top_label_table,
)
from capgap.measurement.calibration.debiased import (
    debiased_ece,
    debiased_l2,
    debiased_squared_l2,
)
from capgap.measurement.calibration.distribution import (
    distribution_table,
    ece_dist,
    paired_confidence,
)
from capgap.measurement.calibration.estimators import ece, l2, mce, mean_gap, plug_in_bias
from capgap.measurement.calibration.files import PredictionFile, read_predictions
from capgap.measurement.calibration.isotonic import Corp, corp
from capgap.measurement.calibration.null_test import (
    NullTest,
    null_test,
    null_test_of_sequences,
)
from capgap.measurement.calibration.predictions import confidence_and_accuracy
from capgap.measurement.calibration.smooth import ResidualGrid, SmoothError, smooth_ece
from capgap.measurement.calibration.sweep import Sweep, ece_sweep
from capgap.measurement.calibration.table import ReliabilityTable, stack

__all__ = [
    "BINS",
    "BrierParts",
    "Corp",
    "Interval",
    "MassHistogram",
    "NullTest",
    "PredictionFile",
    "ReliabilityTable",
    "ResidualGrid",
    "SmoothError",
    "Sweep",
    "bootstrap",
    "brier",
    "brier_parts",
    "classwise_ece",
    "classwise_table",
    "confidence_and_accuracy",
    "corp",
    "debiased_ece",
    "debiased_l2",
    "debiased_squared_l2",
    "distribution_table",
    "ece",
    "ece_dist",
    "ece_sweep",
    "equal_mass_edges",
    "equal_width_edges",
    "l2",
    "mce",
    "mean_gap",
    "multiclass_brier",
    "null_test",
    "null_test_of_sequences",
    "paired_confidence",
    "plug_in_bias",
    "read_predictions",
    "smooth_ece",
    "stack",
    "top_label_ece",
    "top_label_table",
]
