"""Where galleries lie: a folder, or the objects under an address in an object store, behind one small interface."""
