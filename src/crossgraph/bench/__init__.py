"""Benchmarks: what takes how long beside a slow version or a peer, in one run, with the machine's own rates.

`crossgraph bench` lists them. They are measurements, not tests: nothing fails for being slow.
"""
