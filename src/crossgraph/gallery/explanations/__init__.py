"""Which part matched which word, as data and drawn."""
