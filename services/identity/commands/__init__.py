"""What changes in identity, by noun: the only place that opens a writing transaction."""
