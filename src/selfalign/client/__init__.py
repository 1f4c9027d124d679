"""Completions from one or more OpenAI-compatible servers: saturated, retried, cached, in input order."""

from selfalign.client.client import Client, open_client
from selfalign.client.types import Choice, Request, Result

__all__ = ["Choice", "Client", "Request", "Result", "open_client"]
