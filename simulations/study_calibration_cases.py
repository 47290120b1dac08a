"""Inputs on which calibration libraries are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Case", "cases"]


@dataclass(frozen=True, eq=False)
class Case:
    """One input and what is asked of it.

    Attributes
    ----------
    confidence : (n,) in [0, 1], or (n, classes) for "ece, top label"
    outcome : (n,) 0 or 1, labels for "ece, top label"
    dtype : of the confidences; "bfloat16" ones are stored widened to float32, exactly
    why, convention : reason by library: of a mistake, of another definition
    left_out : libraries not asked: no such type or option there, or hours
    ignore : outcome that marks rows to be left out
    """

    name: str
    quantity: str
    bins: int
    confidence: Any
    outcome: Any
    dtype: str = "float64"
    why: Mapping[str, str] = field(default_factory=dict)
    convention: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    tolerance: float = 1e-6
    ignore: int | None = None


def _array(values: Any, dtype: str = "float64") -> Any:
    return np.asarray(values, dtype=dtype)


def _labels(values: Any) -> Any:
    return np.asarray(values, dtype=np.int64)


def _random(n: int = 2000, shift: float = 0.1) -> tuple[Any, Any]:
    """Over-confident forecasts: P(o = 1) = c - shift c."""
    rng = np.random.default_rng(0)
    c = rng.random(n)
    return c, (rng.random(n) < c * (1 - shift)).astype(np.int64)


def _levels(n: int = 2000) -> tuple[Any, Any]:
    """Forecasts .05, .15, .. .95, so confidence is constant within each of ten bins."""
    rng = np.random.default_rng(1)
    c = (rng.integers(0, 10, n) + 0.5) / 10
    return c, (rng.random(n) < c**1.3).astype(np.int64)


_EXTRA = "confidence 1 goes to an extra bin of its own"
_SINGLE = "edges are rounded to the type of the input: widened, the same numbers give another value"
_SUMS = "adds up one by one in float32: each addition is rounded"
_SIGMOID = "a number outside [0, 1] anywhere: all are taken for logits, without a word"
_RIGHT = "bins closed on the right"
_FLAT = "several quantiles are the same number: bins without width, and it raises"
_OUTSIDE = "numbers outside [0, 1] are dropped or binned, without a word"
_ULP = "edges by linspace, k (1 / bins), an ulp beside k / bins"
_N32 = 10_000_000


def cases() -> list[Case]:
    """All inputs, made anew."""
    everyone = ("torchmetrics", "netcal", "uncertainty-calibration", "relplot")
    c, o = _random()
    levels = _levels()
    at_edges = np.arange(1, 21) / 21
    single = _array([0.7, 0.75], "float32")
    almost = _array([0.9, 0.8, 1 + 2.0**-23], "float32")
    million = np.full(_N32, np.float32(0.95)), (np.arange(_N32) % 20 != 0).astype("int8")
    tenth = np.arange(10_000) % 10 == 0  # .25, right at three in four; .75 too, the other nine
    two_levels = np.where(tenth, 0.25, 0.75), (np.arange(10_000) // 10 % 4 > 0).astype(int)
    below = np.arange(100) < 60
    slow = ("uncertainty-calibration",)  # lists of tuples
    ties = _array([0.2, 0.4, 0.6, *[0.9] * 17])
    ones = _array([0.2, 0.6, *[1.0] * 8])
    return [
        Case("random, 21 bins", "ece", 21, c, o),
        Case("random, 21 bins", "mce", 21, c, o),
        Case("random, 21 bins", "squared l2", 21, c, o),
        Case("random, single precision", "ece", 21, c.astype("float32"), o, "float32"),
        Case("one sample", "ece", 15, _array([0.3]), _labels([1])),
        Case("all of one class", "ece", 10, c, np.ones_like(o)),
        Case("empty bins", "mce", 100, _array([0.105, 0.105, 0.905]), _labels([0, 1, 1])),
        Case("confidence exactly 0", "ece", 15, _array([0.0, 0.02, 0.5]), _labels([1, 0, 1])),
        Case(
            "confidence exactly 1", "ece", 15, _array([0.95, 1.0]), _labels([1, 0]),
            why=dict.fromkeys(("torchmetrics", "relplot"), _EXTRA),
        ),
        Case(
            "confidence exactly 1", "mce", 15, _array([0.95, 1.0]), _labels([1, 0]),
            why={"torchmetrics": _EXTRA},
        ),
        Case(
            "40 of 100 round to 1", "ece", 15,
            np.where(below, 0.94 + np.arange(100) / 1000, 1).astype("float32"),
            _labels(below | (np.arange(100) % 5 > 0)), "float32", why={"torchmetrics": _EXTRA},
        ),
        Case(
            "confidence on an edge", "ece", 4, _array([0.25, 0.3, 0.5]), _labels([0, 1, 1]),
            convention={"uncertainty-calibration": _RIGHT},
        ),
        Case(
            "k / 21 for k = 1 .. 20, and 10^-3 above", "ece", 21,
            np.concatenate([at_edges, at_edges + 1e-3]), _labels([0] * 20 + [1] * 20),
            why={"torchmetrics": _ULP},
            convention={"uncertainty-calibration": _RIGHT},
        ),
        Case(
            "float32(0.7) is below 0.7", "ece", 10, single, _labels([1, 0]), "float32",
            why={"torchmetrics": _SINGLE, "netcal": "counts and means are taken of different bins",
                 "relplot": "divides by the width of a bin in the type of the input"},
        ),
        Case("float32(0.7), widened", "ece", 10, single.astype(float), _labels([1, 0])),
        Case(
            "10 million float32 in one bin", "ece", 21, million[0], million[1],
            "float32", why={"torchmetrics": _SUMS}, left_out=slow,
        ),
        Case(
            "100,000 float16 in two bins", "ece", 10, np.tile(two_levels[0], 10).astype("float16"),
            np.tile(two_levels[1], 10), "float16",
            why={"torchmetrics": "counts above 65504 overflow to infinity"},
        ),
        Case(
            "1,000 bfloat16 in two bins", "ece", 10, two_levels[0][:1000].astype("float32"),
            two_levels[1][:1000], "bfloat16", left_out=everyone[1:], tolerance=1e-3,
        ),
        Case(
            "one confidence an ulp above 1", "ece", 10, almost, _labels([1, 1, 1]), "float32",
            why={"torchmetrics": _SIGMOID, "netcal": "it is dropped, without a word"},
        ),
        Case(
            "logits", "ece", 10, _array([-1.0, 2.0, 0.5]), _labels([0, 1, 1]),
            why={"torchmetrics": _SIGMOID, "netcal": _OUTSIDE,
                 "uncertainty-calibration": _OUTSIDE},
        ),
        Case(
            "logits, first batch within [0, 1]", "ece, two batches", 10,
            _array([0.2, 0.7, -1.0, 3.0]), _labels([0, 1, 0, 1]),
            why={"torchmetrics": "decided batch by batch: one is squashed, the other not",
                 "netcal": _OUTSIDE},
        ),
        Case(
            "a missing confidence", "ece", 10, _array([0.9, 0.8, np.nan]), _labels([1, 1, 0]),
            why={"torchmetrics": _SIGMOID, "netcal": "it is dropped, without a word",
                 "uncertainty-calibration": "no refusal, nan"},
        ),
        Case(
            "rows that sum to .8", "ece, top label", 10,
            _array([[0.4, 0.2, 0.2], [0.1, 0.6, 0.1], [0.2, 0.2, 0.4]]), _labels([0, 2, 1]),
            why=dict.fromkeys(everyone, "rows that do not sum to 1 go unnoticed"),
        ),
        Case(
            "rows of logits", "ece, top label", 10,
            _array([[2.0, 0.5, -1.0], [0.1, 3.0, 0.2], [0.5, 0.1, 0.6]]), _labels([0, 2, 1]),
            why={"torchmetrics": "softmax applied without a word", "netcal": _OUTSIDE,
                 "uncertainty-calibration": _OUTSIDE},
        ),
        Case("rows of three classes", "ece, top label", 10,
             _array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.375, 0.375]]),
             _labels([0, 2, 1])),
        Case("two batches", "ece, two batches", 21, c, o,
             convention={"netcal": "the mean over batches of their errors, as documented"}),
        Case(
            "a reference probability as outcome", "ece", 10, _array([0.25, 0.75, 0.875]),
            _array([0.5, 0.75, 0.5]),
            why=dict.fromkeys(everyone, "outcomes 0 and 1 only"),
        ),
        Case("ignored rows", "ece", 10, _array([0.3, 0.8, 0.9]), _labels([1, -1, 1]), ignore=-1,
             left_out=everyone[1:]),
        Case("distinct, 20 in 4 bins", "ece, equal mass", 4, c[:20], o[:20]),
        Case(
            "17 of 20 tied", "ece, equal mass", 4, ties, _labels([0, 1, 0, *[1, 0] * 8, 1]),
            why={"netcal": _FLAT},
        ),
        Case(
            "8 of 10 exactly 1", "ece, equal mass", 5, ones, _labels([0, 1, *[1, 0] * 4]),
            why={"netcal": _FLAT},
        ),
        Case(
            "all tied", "ece, equal mass", 5, np.full(10, 0.7), _labels([1, 0] * 5),
            why={"netcal": _FLAT},
        ),
        Case("confidence constant in bins", "debiased squared l2", 10, *levels),
        Case("confidence constant in bins", "debiased ece", 10, *levels, tolerance=1e-3),
        Case("random", "smooth ece, sigma .05", 1, c, o, tolerance=3e-4,
             convention={"relplot": "a weighted mean on its mesh, not the integral"}),
        Case("random", "smooth ece", 1, c, o, tolerance=3e-4,
             convention={"relplot": "a weighted mean on its mesh; the width to .001"}),
    ]  # fmt: skip
