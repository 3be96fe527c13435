"""When the best answer is no good one: queries with known answers, and the fit."""
