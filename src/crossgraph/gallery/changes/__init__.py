"""Pictures that come, change, move and go."""
