"""A classifier behind HTTP: a page, JSON, files; requests are answered in batches. Needs the extra `serve`."""
