"""What follows from the laws: optimal allocation, the best teacher, thresholds, advice."""
