"""The report of a run: funnel, scores and statistics as data and as an HTML page."""
