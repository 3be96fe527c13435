"""Slow and obvious: published scoring loops and plain versions, written from the papers, to be measured against."""
