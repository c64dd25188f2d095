"""The local stack: a real PostgreSQL, a real NATS server and the services, supervised on one machine."""
