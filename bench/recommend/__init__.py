"""From a labelled file to one recipe: what to try within a budget, in which order, and what the results say."""
