"""What is read from scheduling, by noun: one function per read."""
