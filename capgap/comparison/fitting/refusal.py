"""Runs that cannot identify a law, refused with a code that a program can read."""

from typing import Literal

from capgap.errors import InputError

__all__ = ["Refusal", "RefusalCode"]

RefusalCode = Literal["single-value", "few-values", "too-few-runs", "collinear-design"]


class Refusal(InputError):
    """No fit is made; `code` says why.

    `single-value`: an input is the same in every run. `few-values`: it has too few values.
    `too-few-runs`: fewer runs with a weight than coefficients. `collinear-design`: D rises with
    N along one curve.

    >>> Refusal("single-value", "fit: D = 1e9 in every run, must vary").code
    'single-value'
    """

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
