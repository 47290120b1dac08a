"""Laws by what a user types: the name of a set, or a file."""

from pathlib import Path
from typing import get_args

from capgap.errors import InputError
from capgap.theory.coefficients import SetName, law_set
from capgap.theory.law_set import LawSet, load_law_set

__all__ = ["find_law_set"]


def find_law_set(text: str) -> LawSet:
    """Return the law set of that name, or else the one in that file.

    A name wins over a file of the same name; ``./printed`` means the file.

    Parameters
    ----------
    text : str
        A name that `law_set` knows, or the path of a file written by `save_law_set`.

    Raises
    ------
    InputError
        There is neither such a set nor such a file, or the file holds no law set.

    Examples
    --------
    >>> find_law_set("printed").name
    'printed'
    >>> find_law_set("no such thing")
    Traceback (most recent call last):
    ...
    capgap.errors.InputError: coefficients: 'no such thing' must be one of printed, \
reconstructed, chinchilla, chinchilla-replicated, or a file
    """
    names = get_args(SetName)
    if text in names:
        return law_set(text)
    path = Path(text)
    if not path.is_file():
        raise InputError(f"coefficients: {text!r} must be one of {', '.join(names)}, or a file")
    return load_law_set(path)
