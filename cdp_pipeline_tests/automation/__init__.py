"""Definitions, jobs, backfills and checks, through Dagster itself."""
