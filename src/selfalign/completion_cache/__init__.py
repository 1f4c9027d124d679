"""Cache of completions on disk, shared by all jobs and runs, so that no completion is requested twice."""

from selfalign.completion_cache.cache import CompletionCache, open_completion_cache, request_key

__all__ = ["CompletionCache", "open_completion_cache", "request_key"]
