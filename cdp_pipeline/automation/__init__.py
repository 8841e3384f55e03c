"""What starts runs: jobs, the warehouse as Dagster's resource, and the one place that starts runs from outside."""
