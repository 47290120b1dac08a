"""Where theory and measurement meet: fits, intervals, predictions held against outcomes."""
