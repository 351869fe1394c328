"""Training and evaluating one recipe on one data set."""
