"""The health figures and their judgement, on small hand-made tables."""
