"""Cost estimates of a run: requests, tokens, GPU-hours, disk space, price."""
