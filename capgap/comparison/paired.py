"""The difference of two models on the same documents, with its standard error."""

import math
from dataclasses import dataclass

import numpy as np

from capgap.errors import InputError
from capgap.measurement.records import RunRecord

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """Loss of one run minus that of another, nats per token, and its standard error."""

    difference: float
    standard_error: float


def paired_difference(one: RunRecord, other: RunRecord) -> Difference:
    r"""Loss of `one` minus loss of `other` on the documents that both were evaluated on.

    .. math:: d = \sum_i n_i d_i / \sum_i n_i, \quad
              SE^2 = \frac{k}{k-1} \sum_i n_i^2 (d_i - d)^2 / (\sum_i n_i)^2

    the ratio estimator of Cochran 1977 with documents as clusters. What makes a document
    easy or hard for both models cancels; the noise of seeds is not in it.

    Raises
    ------
    InputError
        The runs were evaluated on different documents, or on fewer than two.
    """
    if one.document_tokens != other.document_tokens or len(one.document_tokens) < 2:
        raise InputError(
            f"paired_difference: runs {one.id} and {other.id} must share two documents or more"
        )
    n = np.asarray(one.document_tokens, dtype=np.float64)
    each = np.asarray(one.document_losses) - np.asarray(other.document_losses)
    mean = float(n @ each / n.sum())
    k = len(n)
    variance = k / (k - 1) * float(np.sum((n * (each - mean)) ** 2)) / float(n.sum()) ** 2
    return Difference(mean, math.sqrt(variance))
