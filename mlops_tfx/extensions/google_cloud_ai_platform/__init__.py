"""Components on Vertex AI, and the keys of their ``custom_config`` (constants.py)."""
