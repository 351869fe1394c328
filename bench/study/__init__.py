"""Studies as data: matrices, and the plan of what will run."""
