"""Classifiers in other libraries' formats, each compared with the original before it is kept."""
