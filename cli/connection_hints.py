"""What to do when no connection to a service comes about. Pure."""

import re

_without_secret = re.compile(r"(?<=//)[^/@]*@").sub
_PLAIN = ("wrong version number", "wrong_version_number", "record layer", "record_layer")
_CLOSED = ("closed connection", "connection reset", "connection aborted", "broken pipe")


def tls_hint(is_https: bool, reason: str, plain_remedy: str, https_remedy: str) -> str:
    """Return a remedy if the two sides may not agree about TLS, or about what to trust, else "".

    `plain_remedy` and `https_remedy` say how to ask in the other way.
    """
    said = reason.lower()
    if is_https and "certificate" in said and "verify" in said:
        return "--tls-ca (ACTIVITY_TLS_CA) names the certificates to trust"
    if is_https and any(text in said for text in _PLAIN):
        return f"it seems to speak plain HTTP: {plain_remedy}"
    if not is_https and any(text in said for text in _CLOSED):
        return f"if it speaks HTTPS, {https_remedy}"
    return ""


def waiting_for(url: str, reason: str) -> str:
    """Return which address is asked, and the remedy. `reason`: why there is no answer."""
    hint = tls_hint(
        url.startswith("https:"), reason, "begin with http://", "begin it with https://"
    )
    shown = _without_secret("", url)
    chosen = f"the address is {shown} (--url, ACTIVITY_URL)"
    return f"{chosen}; {hint}" if hint else chosen
