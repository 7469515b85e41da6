"""The REST face: HTTP with aiohttp, JSON with orjson, TF Serving's rules between."""
