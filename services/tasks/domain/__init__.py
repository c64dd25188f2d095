"""The rules of tasks, by noun. Pure: no SQL, no gRPC, no protobuf, no clock."""
