"""Graphs as plain data and pure functions: scene graphs of sentences and pictures; no trained parameters."""
