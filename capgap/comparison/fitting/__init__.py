"""Fitting laws to runs: coordinates of each law, starts, search, and an honest status."""
