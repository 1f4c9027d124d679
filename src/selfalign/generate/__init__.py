"""Generation stages: concepts from seeds, instructions from concepts, responses from instructions."""
