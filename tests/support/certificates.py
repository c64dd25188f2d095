"""Real certificates, of authorities that a test makes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    key: bytes
    certificate: bytes


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = named("authority")
        self.pem = self.sign(self.name, self.key, [], timedelta(days=2), True)

    def issue(
        self,
        *uris: str,
        hosts: tuple[str, ...] = (),
        name: str = "somebody",
        ends: timedelta = timedelta(days=1),
    ) -> Pair:
        """A certificate for 127.0.0.1 with these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(host) for host in hosts]
        certificate = self.sign(named(name), key, names, ends, False)
        return Pair(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), certificate)

    def sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName],
        ends: timedelta,
        authority: bool,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def write(folder: Path, authority: Authority, pair: Pair) -> dict[str, str]:
    """The three files of a process, as settings."""
    folder.mkdir(exist_ok=True)
    content = {"tls_cert": pair.certificate, "tls_key": pair.key, "tls_ca": authority.pem}
    for name, pem in content.items():
        (folder / name).write_bytes(pem)
    return {name: str(folder / name) for name in content}
