"""Certificates of a certificate authority that exists for one test."""

import datetime
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme

NAME = "127.0.0.1"


@dataclass
class Authority:
    """A certificate authority, its file, and what it has issued, as files below `folder`."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def file(self) -> Path:
        """Return the file with the certificate of the authority, for clients to trust."""
        path = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return path

    def issue(
        self,
        name: str = "server",
        host: str = NAME,
        not_after: datetime.datetime | None = None,
    ) -> tuple[Path, Path]:
        """Issue a certificate for a host; return its file and that of its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued = self.authority.issue_cert(host, not_after=not_after)
        issued.private_key_pem.write_to_path(key)
        certificate.unlink(missing_ok=True)
        for pem in issued.cert_chain_pems:
            pem.write_to_path(certificate, append=True)
        return certificate, key

    def client_context(self) -> ssl.SSLContext:
        """Return what a client trusts: this authority only."""
        return ssl.create_default_context(cafile=self.file)
