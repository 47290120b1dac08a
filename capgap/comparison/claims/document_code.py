"""Corrections of the document's code: truncation, calibration, kernel errors.

Functions named `document_...` are **wrong on purpose**, in numpy, as the document has them;
nothing else in the package uses them.
"""

from itertools import pairwise

import numpy as np

from capgap.comparison.claims.claim import Claim, judge
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import kernel_population

__all__ = [
    "document_code_claims", "document_ece", "document_student_error", "document_top_k",
    "ece", "top_k", "top_p",
]  # fmt: skip

DOCUMENT = "the source document"


def document_code_claims() -> tuple[Claim, ...]:
    """Items of the document about its code; they depend on no law."""
    return _top_k(), _scatter(), _top_p(), _ece(), _student_error()


def _softmax(logits: FloatArray) -> FloatArray:
    exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=-1, keepdims=True))


def document_top_k(logits: FloatArray, k: int, axis: int = 1) -> FloatArray:
    """Wrong: keep k logits, put 0 for all others, scatter along axis 1; then softmax."""
    place = np.argsort(-logits, axis=-1)[..., :k]
    kept = np.zeros_like(logits)
    np.put_along_axis(kept, place, np.take_along_axis(logits, place, axis=-1), axis=axis)
    return _softmax(kept)


def top_k(logits: FloatArray, k: int) -> FloatArray:
    """The k most probable tokens along the last axis, renormalized; 0 elsewhere.

    >>> top_k(np.log([0.2, 0.6, 0.2]), 1).round(12).tolist()
    [0.0, 1.0, 0.0]
    """
    place = np.argsort(-logits, axis=-1)[..., :k]
    kept = np.full_like(logits, -np.inf)
    np.put_along_axis(kept, place, np.take_along_axis(logits, place, axis=-1), axis=-1)
    return _softmax(kept)


def top_p(probability: FloatArray, p: float, *, crossing: bool) -> FloatArray:
    """Tokens by falling probability while their mass is <= p, with or without the one that
    crosses p; not renormalized.

    >>> top_p(np.array([0.5, 0.3, 0.2]), 0.6, crossing=False).tolist()
    [0.5, 0.0, 0.0]
    >>> top_p(np.array([0.5, 0.3, 0.2]), 0.6, crossing=True).tolist()
    [0.5, 0.3, 0.0]
    """
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    mass = np.cumsum(ordered)
    keep = mass - ordered < p if crossing else mass <= p
    kept = np.zeros_like(probability)
    kept[order[keep]] = ordered[keep]
    return kept


def _zipf(tokens: int, shift: float) -> FloatArray:
    """Logits of a Zipf distribution, log(1/rank) + shift; the shift changes no probability."""
    return np.asarray(shift - np.log(np.arange(1, tokens + 1)))


def _top_k() -> Claim:
    k, tokens = 128, 32768
    lost = {}
    for shift in (0.0, 5.0, 10.0):
        wrong = document_top_k(_zipf(tokens, shift)[None], k)[0]
        lost[f"logits shifted by {shift:g}"] = float(wrong[k:].sum())
    right = float(top_k(_zipf(tokens, 0.0), k)[k:].sum())
    return Claim(
        "document.top-k-fill", DOCUMENT,
        "truncate_teacher_distribution keeps the k most probable tokens.",
        judge(max(lost.values()) < 1e-12),
        f"It fills with logits of 0. For a Zipf distribution over {tokens} tokens and k = {k} the"
        " discarded tokens then have the mass " + ", ".join(
            f"{value:.3f} ({name})" for name, value in lost.items()
        ) + f"; a fill of -inf gives {right:g} for all.",
        lost | {"right": right},
    )  # fmt: skip


def _scatter() -> Claim:
    logits = np.log(np.array([[[0.1, 0.2, 0.3, 0.4]] * 2] * 2))  # batch 2, sequence 2, tokens 4
    try:
        document_top_k(logits, 1)
    except IndexError:
        raises = True
    else:
        raises = False
    wide = np.log(np.tile(np.array([0.1, 0.2, 0.3, 0.4]), (1, 4, 1)))
    found = document_top_k(wide, 1)
    kept = float(found[0, 0].argmax() == 3)
    return Claim(
        "document.top-k-axis", DOCUMENT, "truncate_teacher_distribution works for any shape.",
        judge(not raises and kept == 1.0),
        "It scatters along axis 1, the sequence: for (batch 2, sequence 2, tokens 4) "
        + ("the index is out of range" if raises else "no error")
        + "; for a sequence as long as the vocabulary it runs and puts the logit of token 3 "
        + ("in its place." if kept else "elsewhere, so that another token becomes the likeliest."),
        {"raises": float(raises), "right token": kept},
    )  # fmt: skip


def _top_p() -> Claim:
    probability = np.array([0.5, 0.3, 0.2])
    formula = float(top_p(probability, 0.6, crossing=False).sum())
    code = float(top_p(probability, 0.6, crossing=True).sum())
    nothing = float(top_p(probability, 0.4, crossing=False).sum())
    return Claim(
        "document.top-p", DOCUMENT, "Its top-p code does what its formula says.",
        judge(formula == code),
        f"Probabilities .5, .3, .2 and p = .6: the formula (prefixes of mass <= p) keeps"
        f" {formula:g}, the code (with the token that crosses p) {code:g}. The code is the usual"
        f" rule; the formula keeps {nothing:g} at p = .4.",
        {"formula": formula, "code": code, "formula at .4": nothing},
    )  # fmt: skip


def document_ece(confidence: FloatArray, correct: FloatArray, bins: int) -> FloatArray:
    """Wrong: bins (low, high], so that a confidence of exactly 0 is in none; shape (1,)."""
    total = np.zeros(1)
    edges = np.linspace(0, 1, bins + 1)
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def ece(confidence: FloatArray, correct: FloatArray, bins: int) -> float:
    """Expected calibration error with bins [low, high), the last one closed.

    Two predictions, confidences 0 and 0.5, the first right: (|1 - 0| + |0 - 0.5|) / 2.

    >>> ece(np.array([0.0, 0.5]), np.array([1.0, 0.0]), 21)
    0.75
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)
    gap = np.bincount(place, correct, bins) - np.bincount(place, confidence, bins)
    return float(np.abs(gap).sum() / len(confidence))


def _ece() -> Claim:
    confidence, correct = np.array([0.0, 0.5]), np.array([1.0, 0.0])
    wrong, right = document_ece(confidence, correct, 21), ece(confidence, correct, 21)
    return Claim(
        "document.ece", DOCUMENT, "compute_ece counts every prediction and returns a number.",
        judge(float(wrong[0]) == right and wrong.shape == ()),
        f"Confidences 0 (right) and 0.5 (wrong): {wrong[0]:g} instead of {right:g}, because bins"
        f" open at 0 drop a confidence of exactly 0; the shape of the result is {wrong.shape}.",
        {"document": float(wrong[0]), "right": right},
    )  # fmt: skip


def document_student_error(alpha: FloatArray, m: int, n: int, T: float, D: float) -> float:
    """Wrong distance: student to *teacher* (the teacher's coefficients beyond k are added).

    The paper's e_student is the distance to the target, `kernel_population`.
    """
    square = np.cumsum(alpha**2)
    k = min(m, n)
    C = min(1.0, T / float(np.sqrt(square[m - 1])))
    Q = min(1.0, D / (C * float(np.sqrt(square[k - 1]))))
    beyond = C**2 * float(square[m - 1] - square[k - 1])
    return float(np.sqrt((C * Q - C) ** 2 * square[k - 1] + beyond))


def _student_error() -> Claim:
    alpha = np.random.default_rng(0).uniform(-1, 1, 1000)
    n, T, D = 300, 5.0, 4.5
    right = kernel_population(alpha, n, T, D)
    wrong = np.array([document_student_error(alpha, m, n, T, D) for m in right.m])
    error = right.student_error
    small = document_student_error(np.array([3.0, 4.0, 12.0]), 2, 1, 5.0, np.inf)
    exact = float(kernel_population([3, 4, 12], 1, 5.0).student_error[1])
    return Claim(
        "document.student-error", DOCUMENT, "compute_student_error is the student's error.",
        judge(float(np.max(np.abs(wrong - error))) < 1e-9),
        "It is the distance to the teacher. Coefficients 3, 4, 12, a teacher of two functions, a"
        f" student of one: {small:g} instead of {exact:.3f}. In the paper's Fig. 10 setting"
        f" (n = {n}) it is least, {wrong.min():.2f}, for a teacher of {int(wrong.argmin()) + 1}"
        f" functions, where the student's error is {error[int(wrong.argmin())]:.2f}; that is"
        f" least, {error.min():.2f}, from {right.first_best} to {right.last_best} functions.",
        {"document": small, "right": exact, "document best m": float(wrong.argmin() + 1),
         "first best m": float(right.first_best), "last best m": float(right.last_best)},
    )  # fmt: skip
