"""Between scheduling's domain and its messages, by noun."""
