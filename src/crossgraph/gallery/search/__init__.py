"""A query, from its terms to ranked answers, filters and verdict."""
