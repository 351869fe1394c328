"""Running: one recipe, one seed, one record."""
