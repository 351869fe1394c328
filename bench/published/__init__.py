"""What other studies published, as data: a folder each, which a matrix names."""
