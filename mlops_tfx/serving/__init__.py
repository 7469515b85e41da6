"""Serving: exporting models with their transform graph, a model server, and clients that need no TensorFlow."""
