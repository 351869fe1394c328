"""Reports: tables, plots and text, computed from records alone."""
