"""From a labelled file to a classifier in a folder, and from there to answers. Knows no study."""
