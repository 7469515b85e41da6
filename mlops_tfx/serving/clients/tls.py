"""Certificates for both protocols."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc


@dataclass(frozen=True)
class Tls:
    """How a client checks the server, and who it is itself. Everything is PEM, as bytes.

    Attributes:
        root_certificates: the authorities that may have signed the server's certificate; None for the system's.
        private_key, certificate: the client's own, if the server asks for one.
        server_name: the name in the server's certificate if it is not the host of the address.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = None
    certificate: bytes | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if self.root_certificates is not None and not self.root_certificates.strip():
            raise ValueError("expected certificates as root_certificates, received an empty text; None is the system's")
        if (self.private_key is None) != (self.certificate is None):
            missing = "private_key" if self.private_key is None else "certificate"
            raise ValueError(f"expected private_key and certificate together, received no {missing}")

    def __repr__(self) -> str:
        # A key is nothing for a log.
        return f"Tls(server_name={self.server_name!r}, with a client certificate: {self.certificate is not None})"

    @classmethod
    def from_files(
        cls,
        root_certificates: str | os.PathLike[str] | None = None,
        private_key: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        server_name: str | None = None,
    ) -> Tls:
        """Reads PEM files. Raises OSError."""
        paths = (root_certificates, private_key, certificate)
        roots, key, own = (None if path is None else Path(path).read_bytes() for path in paths)
        return cls(roots, key, own, server_name)

    def grpc_credentials(self) -> Any:
        """Returns credentials for a gRPC channel. Raises ValueError for PEM texts that do not fit, as gRPC does not."""
        self.http_context()
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate)

    def http_context(self) -> ssl.SSLContext:
        """Returns a context for HTTP connections. Raises ValueError for PEM texts that do not fit."""
        try:
            # What is not ASCII stands in comments between the certificates.
            roots = self.root_certificates.decode("ascii", "ignore") if self.root_certificates is not None else None
            context = ssl.create_default_context(cadata=roots)
            if self.private_key and self.certificate:
                _load_pair(context, self.private_key, self.certificate)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(
                f"expected PEM texts that fit together, received ones that TLS refuses: {error}"
            ) from error
        return context


def _load_pair(context: ssl.SSLContext, key: bytes, certificate: bytes) -> None:
    # The ssl module reads keys from files only; this one is its owner's alone and gone at once.
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.rstrip() + b"\n" + certificate)
        context.load_cert_chain(name, password=_refuse_password)
    finally:
        os.unlink(name)


def _refuse_password() -> str:
    # Otherwise OpenSSL asks for it on the terminal.
    raise ValueError("the private key is encrypted; decrypt it first")
