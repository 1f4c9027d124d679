"""What a run will ask for before it is paid for: requests, tokens, GPU-hours, disk, money."""
