"""Client of OpenAI-compatible servers: concurrent requests, retries, cached completions, results in input order."""

from selfalign.client.client import Client, default_endpoints, open_client
from selfalign.client.types import Choice, Request, Result

__all__ = ["Choice", "Client", "Request", "Result", "default_endpoints", "open_client"]
