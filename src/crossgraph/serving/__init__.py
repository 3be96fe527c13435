"""A gallery served by HTTP: an API for programs (`api/`, under /v1) and a page for people (`pages/`)."""
