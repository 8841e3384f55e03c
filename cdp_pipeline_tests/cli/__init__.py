"""The command: what it prints, where, and how it ends."""
