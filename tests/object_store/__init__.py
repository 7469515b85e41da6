"""A real S3 server on loopback (moto), and a proxy in front of it that can be told to fail."""
