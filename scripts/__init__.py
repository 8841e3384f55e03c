"""Helpers for people who work on the repository; nothing of the package needs them."""
