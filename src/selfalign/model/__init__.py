"""The base model as a Hugging Face checkpoint directory."""
