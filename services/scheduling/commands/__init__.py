"""What changes in scheduling, by noun: the only place that opens a writing transaction."""
