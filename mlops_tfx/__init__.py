"""TFX-style pipeline components on TensorFlow."""
