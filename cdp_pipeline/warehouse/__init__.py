"""Where SQL runs: the engines, the writer's lock, and what a stage needs to do its work in one transaction."""
