"""Identity's tables, and the only SQL of the service, by noun."""
