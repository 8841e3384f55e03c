"""How SQL is written, on each engine."""
