"""What encodes and compares: codes, dense vectors, fine scores; modes say how much of each."""
