"""The tiny models of the training tests: what is planned for them is compared with what they are."""

from tests.train.conftest import base, llama, starcoder2

__all__ = ["base", "llama", "starcoder2"]
