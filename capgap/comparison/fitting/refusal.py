"""Runs that cannot identify a law, refused with a code that a program can read."""

from typing import Literal

from capgap.errors import InputError

__all__ = ["Refusal", "RefusalCode"]

RefusalCode = Literal["single-value", "too-few-runs"]


class Refusal(InputError):
    """No fit is made; `code` says why.

    `single-value`: an input is the same in every run. `too-few-runs`: fewer runs with a
    weight than coefficients.

    >>> Refusal("single-value", "fit: D = 1e9 in every run, must vary").code
    'single-value'
    """

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
