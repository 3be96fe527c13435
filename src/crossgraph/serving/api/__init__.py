"""The API under /v1: one file an area."""
