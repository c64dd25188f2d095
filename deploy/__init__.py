"""What runs Eridu: the bootstrap, the local stack and the files for containers and clusters."""
