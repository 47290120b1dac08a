"""Intervals of fitted laws: refits, limits, profiles, and how often they cover."""

from capgap.comparison.intervals.cold_check import ColdCheck
from capgap.comparison.intervals.limits import Interval
from capgap.comparison.intervals.profile import Profile, profile_likelihood
from capgap.comparison.intervals.refits import Bootstrap, bootstrap

__all__ = [
    "Bootstrap",
    "ColdCheck",
    "Interval",
    "Profile",
    "bootstrap",
    "profile_likelihood",
]
