"""Identity: people, the groups they belong to, and their roles there. Pure: no SQL, no gRPC, no clock."""
