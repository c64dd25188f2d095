"""Mutual TLS: what a process shows of itself, and which service a peer's certificate names.

A certificate names a service by a URI SAN, `spiffe://eridu/<service>`. Its other SANs are hosts that it answers for.
"""

from __future__ import annotations

import logging
import re
import ssl
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from libs.common.config import Config
from libs.common.tokens import unauthenticated

log = logging.getLogger("eridu.tls")

SERVICE = re.compile(r"spiffe://eridu/([a-z][a-z0-9-]*)")
UNREADABLE = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)


class Files:
    """The three PEM files of a process, and what was last read of them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.last = self.read()

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Key, certificate and authorities, as they are now."""
        config = self.config
        return (
            Path(config.tls_key).read_bytes(),
            Path(config.tls_cert).read_bytes(),
            Path(config.tls_ca).read_bytes(),
        )

    def require_usable(self) -> None:
        """Refuse files that do not fit together: gRPC would only say that it cannot bind."""
        config = self.config
        try:
            context = ssl.create_default_context(cafile=config.tls_ca)
            context.load_cert_chain(config.tls_cert, config.tls_key, password="")  # without one, it would be asked for
        except ssl.SSLError as error:
            named = f"{config.tls_cert}, {config.tls_key} and {config.tls_ca}"
            raise ValueError(f"{named} are no certificate, its key and its authorities: {error}") from error

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """What was last read, for a server."""
        key, certificate, authorities = self.last
        return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if a file has changed; gRPC keeps the old one if the new one is of no use."""
        try:
            now = self.read()
        except OSError as error:  # it may be back in a moment
            log.warning("the certificate files cannot be read: %s", error)
            return None
        if now == self.last:
            return None
        self.last = now
        log.info("the certificate files have changed")
        return self.configuration()


def server_credentials(config: Config) -> grpc.ServerCredentials:
    """For a server whose clients must all have a certificate; the files are looked at again for each connection."""
    files = Files(config)
    files.require_usable()
    return grpc.dynamic_ssl_server_credentials(
        files.configuration(),
        files.changed,  # type: ignore[arg-type]  # the stub does not know that None means "as before"
        require_client_authentication=True,
    )


def channel_credentials(config: Config) -> grpc.ChannelCredentials:
    """For a channel; gRPC takes its certificate once, so a channel that is to show a new one must be made anew."""
    key, certificate, authorities = Files(config).last
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def service_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The service that the client's verified certificate names; empty if it names none, and without TLS."""
    found = [SERVICE.fullmatch(uri) for pem in context.auth_context().get("x509_pem_cert", ()) for uri in uris_of(pem)]
    names = {match[1] for match in found if match}
    if len(names) > 1:
        raise unauthenticated()
    return names.pop() if names else ""


def uris_of(pem: bytes) -> list[str]:
    """The URI SANs of a certificate: a common name or a DNS name that reads like a service is none."""
    # Not gRPC's own `peer_uri`: it ends at the first NUL, so that more than a name reads like one.
    try:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except UNREADABLE:
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)
