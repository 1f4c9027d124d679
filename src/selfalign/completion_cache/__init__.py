"""Completions bought so far, kept for good: nothing in here is ever paid for twice."""

from selfalign.completion_cache.keys import request_key
from selfalign.completion_cache.store import CompletionCache, open_completion_cache

__all__ = ["CompletionCache", "open_completion_cache", "request_key"]
