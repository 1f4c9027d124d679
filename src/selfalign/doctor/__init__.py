"""Checks of this machine: its resources, and which parts of selfalign will work on it."""
