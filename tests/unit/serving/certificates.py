"""Authorities and certificates for tests."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate, as PEM."""

    private: Any
    certificate: bytes

    @property
    def key(self) -> bytes:
        return bytes(self.private.private_bytes(_PEM, _PKCS8, serialization.NoEncryption()))

    def encrypted(self, password: bytes) -> bytes:
        return bytes(self.private.private_bytes(_PEM, _PKCS8, serialization.BestAvailableEncryption(password)))

    def context(self, authority: Authority | None) -> ssl.SSLContext:
        """A server's, that asks clients for a certificate of ``authority`` if there is one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.key + self.certificate)
            file.flush()
            context.load_cert_chain(file.name)
        if authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=authority.certificate.decode())
        return context


class Authority:
    """Signs certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = _builder(self._name, self._name, self._key, 1)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def sign(self, host: str, days: int = 1) -> Pair:
        """A certificate for a host that is valid for so many days; one that has expired if they are negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = _builder(_name(host), self._name, key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return Pair(key, builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(name: x509.Name, issuer: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(end - datetime.timedelta(2)).not_valid_after(end)
