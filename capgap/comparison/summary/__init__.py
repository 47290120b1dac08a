"""All that is said of one fit: coefficients, intervals, what the runs cannot tell, a saved law."""
