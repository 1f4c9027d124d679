"""Evaluation: sample solutions to benchmark tasks, test them in the sandbox, and report scores with intervals."""
