"""Health, migration and export of a gallery."""
