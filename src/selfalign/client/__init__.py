"""Client of OpenAI-compatible servers: keeps them busy, retries, caches completions, and preserves the input order."""

from selfalign.client.client import Client, open_client
from selfalign.client.types import Choice, Request, Result

__all__ = ["Choice", "Client", "Request", "Result", "open_client"]
