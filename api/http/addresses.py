"""IP addresses of clients, proxies and listening sockets. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Return the address; an IPv4 address mapped into IPv6 as IPv4. Raises ValueError."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """Return whether this name or address leads to this machine only."""
    try:
        return parse_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
