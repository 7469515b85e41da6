"""TLS for both ports, from an SSLConfig: PEM texts of key, certificate and the authority that checks clients."""

from __future__ import annotations

import os
import ssl
import tempfile
from typing import Any

import grpc

from mlops_tfx.serving.server import text_configs


def grpc_credentials(path: str) -> Any:
    """Returns credentials for the gRPC port. Raises ValueError for a file that does not fit."""
    config = _read(path)
    pair = (config.server_key.encode(), config.server_cert.encode())
    authority = config.custom_ca.encode() or None
    return grpc.ssl_server_credentials([pair], authority, config.client_verify)


def http_context(path: str) -> ssl.SSLContext:
    """Returns a context for the HTTP port. Raises ValueError for a file that does not fit."""
    config = _read(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # The ssl module reads keys from files only; this one is its owner's alone and gone at once.
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{config.server_key}\n{config.server_cert}\n")
        context.load_cert_chain(name)
        if config.custom_ca:
            context.load_verify_locations(cadata=config.custom_ca)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"cannot use SSLConfig {path}: {error}") from error
    finally:
        os.unlink(name)
    if config.client_verify:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _read(path: str) -> Any:
    config = text_configs.read(path, "SSLConfig")
    for name in ("server_key", "server_cert"):
        if not getattr(config, name):
            raise ValueError(f"expected {name} as PEM text in SSLConfig {path}, received none")
    if config.client_verify and not config.custom_ca:
        raise ValueError(f"expected custom_ca, by which clients are checked, in SSLConfig {path}, received none")
    return config
