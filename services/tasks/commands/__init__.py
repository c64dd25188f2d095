"""What changes in tasks: one function per change, by noun; the only place that opens a writing transaction."""
