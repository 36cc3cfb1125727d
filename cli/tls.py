"""HTTPS of the API, and what the commands trust when they ask it."""

from dataclasses import dataclass
from pathlib import Path

from cli.errors import UsageError
from cli.settings import CliSettings


@dataclass(frozen=True)
class TlsFiles:
    """The files of a certificate and its key, which were checked."""

    certificate: Path
    key: Path

    @property
    def arguments(self) -> list[str]:
        """Return them as options of an API process."""
        return ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]


def tls_files(settings: CliSettings) -> TlsFiles | None:
    """Return the checked files that the settings name, None for plain HTTP.

    Raises `UsageError`, `SettingsError`, which say what is wrong with which file.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "--tls-cert (ACTIVITY_TLS_CERT)" if key else "--tls-key (ACTIVITY_TLS_KEY)"
        raise UsageError(f"{missing} is missing: HTTPS needs a certificate and its key")
    # Imported here: most commands serve no HTTPS.
    from api.server.tls_context import load

    files = TlsFiles(certificate.absolute(), key.absolute())
    load(files.certificate, files.key)
    return files
