"""The law meets the solvable models."""
