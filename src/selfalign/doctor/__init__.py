"""What this machine has, and what will therefore work."""
