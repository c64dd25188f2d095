"""Scheduling's rules, by noun. Pure: no SQL, no gRPC, no protobuf, no clock."""
