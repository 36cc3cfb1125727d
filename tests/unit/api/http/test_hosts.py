"""Which Host header is answered to."""

import pytest

from api.http.addresses import is_loopback
from api.http.hosts import MAX_KNOWN, Hosts

LOOPBACK = [
    *(b"localhost", b"LOCALHOST:5000", b"localhost.", b"127.0.0.1", b"127.9.8.7:1"),
    *(b"[::1]", b"[::1]:5000", b"[::ffff:127.0.0.1]:80", b"[0:0:0:0:0:0:0:1]"),
]
ELSEWHERE = [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example:5000", b""]
ADDRESSES = [b"192.0.2.7:5000", b"[2001:db8::1]:5000", b"0.0.0.0"]
MALFORMED = [b"a b", b"a\xffb", b"[::1", b"a:b", b"a/b", b"u@localhost", b"a,b c", b"\t"]


def refused(hosts: Hosts, *values: bytes, version: str = "1.1") -> int | None:
    headers = [(b"accept", b"*/*"), *((b"host", value) for value in values)]
    problem = hosts.refusal({"type": "http", "http_version": version, "headers": headers})
    return None if problem is None else problem.status


@pytest.mark.parametrize("value", LOOPBACK)
@pytest.mark.parametrize("patterns", [(), ("a.example",)])
def test_loopback_names_are_answered_to_wherever_it_listens(
    value: bytes, patterns: tuple[str, ...]
) -> None:
    assert refused(Hosts(patterns, on_loopback=True), value) is None
    assert refused(Hosts(patterns), value) is None


@pytest.mark.parametrize("value", [*ELSEWHERE, *ADDRESSES])
def test_on_a_loopback_address_no_other_name_is_answered_to(value: bytes) -> None:
    assert refused(Hosts(on_loopback=True), value) == 421


@pytest.mark.parametrize("value", [*ELSEWHERE, *ADDRESSES])
def test_elsewhere_every_name_is_answered_to_unless_names_are_set(value: bytes) -> None:
    assert refused(Hosts(), value) is None
    assert refused(Hosts(("*",), on_loopback=True), value) is None


@pytest.mark.parametrize("on_loopback", [True, False])
def test_names_that_are_set_are_answered_to(on_loopback: bool) -> None:
    hosts = Hosts(("a.example", "*.b.example", "192.0.2.9"), on_loopback)
    for good in (b"a.example", b"A.Example:443", b"x.b.example", b"y.x.b.example", b"192.0.2.9"):
        assert refused(hosts, good) is None
    for bad in (b"b.example", b"xa.example", b"x.a.example", b"xb.example", *ELSEWHERE):
        assert refused(hosts, bad) == 421


@pytest.mark.parametrize("value", ADDRESSES)
def test_a_probe_by_address_is_answered_although_names_are_set(value: bytes) -> None:
    assert refused(Hosts(("a.example",)), value) is None


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("hosts", [Hosts(), Hosts(on_loopback=True)])
def test_a_host_that_is_none_is_refused(hosts: Hosts, value: bytes) -> None:
    assert refused(hosts, value) == 400


def test_no_host_or_two_are_refused_but_http_1_0_needs_none() -> None:
    hosts = Hosts(on_loopback=True)
    assert refused(hosts) == 400
    assert refused(hosts, b"localhost", b"localhost") == 400
    assert refused(hosts, b"localhost", b"evil.example") == 400
    assert refused(hosts, version="1.0") is None
    assert refused(hosts, b"evil.example", version="1.0") == 421


def test_what_is_remembered_of_hosts_has_a_bound() -> None:
    hosts = Hosts()
    for number in range(3 * MAX_KNOWN):
        assert hosts.admits(b"h%d.example" % number)
        assert len(hosts.known) <= MAX_KNOWN
    assert hosts.admits(b"x" * 10_000)
    assert b"x" * 10_000 not in hosts.known


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_is_known_by_address_and_name(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_addresses_are_no_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_the_name_of_the_address_it_was_told_to_listen_on_is_answered_to() -> None:
    assert refused(Hosts(on_loopback=True, own="My-Machine"), b"my-machine:5000") is None
    assert refused(Hosts(on_loopback=True), b"my-machine:5000") == 421
