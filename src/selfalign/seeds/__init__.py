"""Seeds: documented functions of source files, filtered and deduplicated."""
