"""What a run used and made: written at its end, and checked against the files later."""
