"""The old place of `capgap.comparison.intervals`."""

from capgap.comparison.intervals import Bootstrap, Interval, bootstrap

__all__ = ["Bootstrap", "Interval", "bootstrap"]
