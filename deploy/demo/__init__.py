"""The main job on a real plan: what `make demo` runs."""
