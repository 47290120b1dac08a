"""When does a language model learn better from a teacher?

Theory of distillation scaling, and real distillations to hold it against.
Importing this package loads neither torch nor matplotlib.
"""

from capgap.errors import CapgapError, InputError

__all__ = ["CapgapError", "InputError", "__version__"]

__version__ = "0.1.0"
