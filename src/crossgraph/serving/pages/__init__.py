"""The page for people: one file a page, each with its template; all of them work without JavaScript."""
