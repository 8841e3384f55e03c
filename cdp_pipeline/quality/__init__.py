"""What judges the rooms: health figures over all stages, and the expectations that they are held against."""
