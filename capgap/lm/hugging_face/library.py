"""The optional libraries of the extra `hf`, imported where they are used, without their chatter."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from capgap.errors import CapgapError

__all__ = ["quiet_transformers", "require"]


def require(name: str) -> Any:
    """The module `name` of the extra `hf`.

    Raises
    ------
    CapgapError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise CapgapError(f"Hugging Face models need {name}: pip install 'capgap[lm,hf]'") from None


@contextmanager
def quiet_transformers() -> Iterator[Any]:
    """The module `transformers` without progress bars and reports; as it was afterwards.

    What its reports say of a model (tensors that are missing, say) is checked by
    `capgap.lm.hugging_face.loading` and raised as an error.
    """
    library = require("transformers")
    logging = library.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield library
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
