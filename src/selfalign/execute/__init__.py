"""Execution filter: keep the responses whose own program, tests included, runs to its end in a sandbox."""
