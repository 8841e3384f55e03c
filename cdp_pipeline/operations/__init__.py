"""What crosses the rooms: the whole run without Dagster, what is due, one person's profile."""
