"""Sentences to shortlist vectors and codes without torch, whose import takes longer than the rest of a search."""
