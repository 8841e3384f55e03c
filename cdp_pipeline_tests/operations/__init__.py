"""Runs that wait, die and go on; the lock; what a session leaves behind."""
