"""Evidence: what the records of a study allow to be said."""
