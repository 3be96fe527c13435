"""Scene graphs: of captions, parsed once; in files; from detectors; as padded batches."""
