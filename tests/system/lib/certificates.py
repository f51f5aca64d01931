# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests: authorities, and what they issue."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

DAY = timedelta(days=1)
SERVER_NAME = "switch.test"
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


# RFC 5280 4.2.1.3: the use of a CA's key. Python 3.13 requires it, and the key identifiers.
CERTIFICATES_ONLY = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def new_key(kind: str = "P-384") -> Key:
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP256R1() if kind == "P-256" else ec.SECP384R1())


def pem_of(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    """A CA of its own, whose files are in the folder. Two with the same name have different keys."""

    def __init__(self, folder: Path, name: str = "Test CA", key: str = "P-384") -> None:
        folder.mkdir()
        self._folder = folder
        self._name = named(name)
        self._key = new_key(key)
        self.path = folder / "ca.pem"
        builder = self._builder(self._name, self._key, -DAY, DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(CERTIFICATES_ONLY, critical=True)
        self._write(self.path, builder, hashes.SHA384())

    def issue(
        self,
        usage: str,
        key: str = "P-384",
        begins: timedelta = -DAY,
        ends: timedelta = DAY,
        digest: hashes.HashAlgorithm | None = None,
    ) -> Pair:
        """For a "server" (of SERVER_NAME) or a "client"; from and until are relative to now."""
        number = len(list(self._folder.iterdir()))
        pair = Pair(self._folder / f"{usage}{number}.pem", self._folder / f"{usage}{number}.key")
        private = new_key(key)
        builder = self._builder(named(SERVER_NAME if usage == "server" else "prometheus"), private, begins, ends)
        builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[usage]]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        self._write(pair.cert, builder, digest or hashes.SHA384())
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(pem_of(private))
        return pair

    def _builder(self, subject: x509.Name, key: Key, begins: timedelta, ends: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _write(self, path: Path, builder: x509.CertificateBuilder, digest: hashes.HashAlgorithm) -> None:
        path.write_bytes(builder.sign(self._key, digest).public_bytes(serialization.Encoding.PEM))
