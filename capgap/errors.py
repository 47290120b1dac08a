"""The one error that users meet.

Everything that can go wrong because of what a user gave (an option, a file, a
configuration, a full disk) is raised as a `CapgapError` whose text is one line:
the operation, the offending value and the rule. The command line prints that line
and exits with status 2; a library user catches one type.
"""

__all__ = ["CapgapError", "InputError"]


class CapgapError(Exception):
    """Base of the errors that capgap raises on purpose; the text is one line."""


class InputError(CapgapError, ValueError):
    """An argument, a file or a configuration breaks a stated rule."""
