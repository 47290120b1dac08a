"""The command ``capgap``."""

from capgap.cli.main import main

__all__ = ["main"]
