"""Fine-tuning on instruction-response pairs."""
