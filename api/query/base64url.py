"""base64url without padding (RFC 4648, 5): the form of everything opaque in queries. Pure."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(raw: bytes) -> bytes:
    """Return the bytes as text in ASCII."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode(text: str) -> bytes:
    """Return the bytes that `encode` was given. Raises ValueError for any other text.

    The last character may hold bits that no byte does: only one text stands for the same bytes.
    """
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(raw) != text.encode():
        raise ValueError("is not base64url in its only form")
    return raw
