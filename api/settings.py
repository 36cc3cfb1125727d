"""The settings of the API."""

from ipaddress import ip_network

from pydantic import Field, field_validator

from api.auth.policy import Auth
from api.http.proxies import has_dot_segment
from storage.settings import Settings


class ApiSettings(Settings):
    """Settings from `ACTIVITY_*` environment variables or `.env`."""

    event_bytes: int = Field(
        256 * 1024, ge=1024, le=8 * 1024 * 1024, description="Bytes of one posted event, at most."
    )
    post_batch_bytes: int = Field(
        16 * 1024 * 1024,
        ge=64 * 1024,
        le=256 * 1024 * 1024,
        description="Bytes of one posted batch, unpacked, at most.",
    )
    post_batch_events: int = Field(
        10_000, ge=1, le=100_000, description="Events of one posted batch, at most."
    )
    body_memory_bytes: int = Field(
        64 * 1024 * 1024,
        ge=64 * 1024,
        description="Bytes of batches and other bodies that one API process reads at once, and "
        "again of requests whose reading has not begun; more are refused with 503.",
    )
    connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Connections of clients to one API process; more are refused with 503. "
        "Never more than the system allows open files.",
    )
    answer_memory_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of answers that one API process holds for clients that have not read "
        "them; more large answers are refused with 503.",
    )
    answer_seconds: float = Field(
        30,
        gt=0,
        le=600,
        description="Seconds without progress after which a client that does not read its answer "
        "is disconnected.",
    )
    ack_seconds: float = Field(
        5, gt=0, le=60, description="Seconds that `ack=stored` waits for the commit at most."
    )
    pending_events: int = Field(
        20_000,
        ge=1,
        le=1_000_000,
        description="Events one API process holds while the queue writes; more are refused.",
    )
    backlog_events: int = Field(
        2_000_000,
        ge=64,
        description="Events that may wait in the queue, over all shards; more are refused.",
    )
    backlog_bytes: int = Field(
        512 * 1024 * 1024,
        ge=64 * 1024 * 1024,
        description="Bytes of events that may wait in the queue, over all shards.",
    )
    idempotency_keys: int = Field(
        1_000_000,
        ge=64,
        description="Idempotency keys remembered at once, each for 24 hours.",
    )
    access_log: str = Field(
        "off",
        pattern="^(off|all|1/[1-9][0-9]{0,6})$",
        description="The access log: `off`, `all` answers, or a share of them as `1/100`; answers "
        "from 500 on always, unless it is off.",
    )
    body_seconds: float = Field(
        30,
        gt=0,
        le=600,
        description="Seconds a client may take for a request's headers, and again for its body.",
    )
    allowed_hosts: str = Field(
        "",
        pattern=r"^[\w.*:\[\] ,-]*$",
        description="Names that a request's `Host` may have, as `a.example.com,*.example.com`, or "
        "`*`. Without: loopback names on a loopback address, any name elsewhere.",
    )
    auth: Auth = Field(
        "auto",
        description="`required`: every client needs an API key. `open`: none does. `auto`: on a "
        "loopback address or a Unix socket none does until the first key exists; on any other "
        "address every client does.",
    )
    session_seconds: int = Field(
        43_200,
        ge=1,
        le=2_592_000,
        description="Seconds after which who has signed in to the explorer must sign in again.",
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~!$&'()*+;=:@%-]+)*/?$",
        description="Path below which a proxy publishes the service, as `/activity`.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses and networks of proxies whose `X-Forwarded-Prefix` is believed, or "
        "`*`; clients of a Unix socket always are.",
    )
    statistics_budget_ms: int = Field(
        2000,
        ge=1,
        le=8000,
        description="Milliseconds for which a statistic counts at most; then the answer says what "
        "it covers, and how to continue.",
    )
    cache_seconds: int = Field(
        300, ge=1, le=86_400, description="Seconds a cached page is kept at most."
    )
    cache_day_seconds: int = Field(
        86_400,
        ge=1,
        le=2_592_000,
        description="Seconds the counts of a closed day are kept at most, for a statistic that is "
        "asked again.",
    )
    limit_wait_ms: int = Field(
        50,
        ge=1,
        le=5_000,
        description="Milliseconds that a request with a limited key waits for control; then the "
        "API process decides alone, and lets the whole rate of the key pass.",
    )
    cache_grace_ms: int = Field(
        10_000,
        ge=0,
        le=60_000,
        description="Milliseconds after control lost its data in which no page is served from it.",
    )

    @property
    def host_patterns(self) -> list[str]:
        """Return the parts of `allowed_hosts`, in lower case."""
        return _split(self.allowed_hosts.lower())

    @property
    def access_log_every(self) -> int:
        """Return N if one of N answers goes into the access log; 0 if none does."""
        named = {"off": 0, "all": 1}
        return named[self.access_log] if self.access_log in named else int(self.access_log[2:])

    @property
    def proxies(self) -> list[str]:
        """Return the parts of `trusted_proxies`."""
        return _split(self.trusted_proxies)

    @field_validator("root_path")
    @classmethod
    def _has_no_dot_segment(cls, text: str) -> str:
        if has_dot_segment(text):
            raise ValueError("must have no segment `.` or `..`")
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        for each in _split(text):
            if each != "*":
                ip_network(each)  # its ValueError tells the fault
        return text


def _split(text: str) -> list[str]:
    return text.replace(",", " ").split()
