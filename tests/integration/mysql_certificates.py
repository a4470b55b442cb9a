"""An authority and certificates for servers and clients, as long as a test needs them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """An authority, what it signed, and an authority that signed nothing."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def stranger(self) -> Path:
        return self.folder / "stranger.pem"

    def pair(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def settings(self) -> dict[str, str | int]:
        """Give the settings of a server that shows its own and asks clients for theirs."""
        cert, key = self.pair("server")
        return {"ssl-ca": str(self.authority), "ssl-cert": str(cert), "ssl-key": str(key)}


@contextmanager
def signed_certificates() -> Iterator[Certificates]:
    """Make an authority, a server that is `localhost` and not 127.0.0.1, a client, and a stranger."""
    folder = Path(tempfile.mkdtemp(prefix="vya-tls-"))
    folder.chmod(0o755)  # the servers run as another user
    try:
        made = Certificates(folder)
        authority = _authority(made.authority)
        _authority(made.stranger)
        _signed(authority, "server", made, [x509.DNSName("localhost")])
        _signed(authority, "client", made, [])
        yield made
    finally:
        shutil.rmtree(folder)


def _authority(path: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {path.stem}")])
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _signed(
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    name: str,
    made: Certificates,
    names: list[x509.GeneralName],
) -> None:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), issuer.subject, key)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    cert_path, key_path = made.pair(name)
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key_path.chmod(0o644)  # the server's user must read it; it lives as long as the test


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
