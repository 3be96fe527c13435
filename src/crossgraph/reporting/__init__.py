"""What was trained and measured, for people: curves of runs, settings compared, evaluations kept, as pages."""
