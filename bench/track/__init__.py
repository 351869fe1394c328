"""Copies of finished runs in experiment trackers. Records are the truth, and nothing reads a tracker."""
