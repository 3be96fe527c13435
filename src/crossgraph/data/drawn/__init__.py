"""Sets that are drawn on the spot, with true graphs, labels and twins."""
