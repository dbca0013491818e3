"""Paper-style tables from the scores on disk. Imports neither torch nor zoo."""
