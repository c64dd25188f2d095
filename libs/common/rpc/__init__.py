"""gRPC: the server, what every call goes through, and the channels to the neighbours."""
