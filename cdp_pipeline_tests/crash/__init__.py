"""The crash test: runs that are killed at random moments, and whether the next one makes up for it."""
