"""The model that comes with crossgraph: `cascade/`, where it was made, and its card, README.md."""

DEFAULT_MODEL = "default"
"""Its name, wherever a model is named; it is used where none is."""
