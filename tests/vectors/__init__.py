"""Outputs of the reference on texts of our own; README.md says how they were made."""

from pathlib import Path

VECTORS = Path(__file__).parent
