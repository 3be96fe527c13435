"""crossgraph: cross-modal image-text retrieval with semantic graphs."""
