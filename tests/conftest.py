"""Shapes in annotations are executed while tests run: jaxtyping hooks every crossgraph module into beartype."""

from jaxtyping import install_import_hook

hook = install_import_hook("crossgraph", "beartype.beartype")
