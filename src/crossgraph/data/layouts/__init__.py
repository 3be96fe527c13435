"""One way in which sets are given away, one file."""
