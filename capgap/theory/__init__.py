"""What the equations say: frozen laws and pure functions; no randomness, no data."""
