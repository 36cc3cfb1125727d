"""Make realistic events, equal for equal seeds. Pure: no I/O.

Components, environments and 100,000 emails have a skewed distribution. Messages are made of few
templates with many numbers. `data` is nested, 100 B to 4 KB, most of it small.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from storage.model.event import Event, encode_event, time_text

VERSION = 1  # version of what is made for a seed: raise it with every change to that
EMAILS = 100_000
RARE_COMPONENT = "ledger-reconciler"  # about 8 in a million
MIDDLING_COMPONENT = "search"  # about one in a hundred
FREQUENT_COMPONENT = "api-gateway"  # about three in ten
RARE_ENVIRONMENT = "chaos-lab"  # about 15 in a million
FREQUENT_ENVIRONMENT = "production"  # seven in ten

_SLOTS = 1 << 17
_NO_EMAIL = 0.12
_NO_DATA = 0.05
_TAILS = 4096
_TAIL_FREE = 0.35
_LARGEST_DATA = 4096

_COMPONENTS = (
    [(FREQUENT_COMPONENT, 0.30), ("checkout", 0.14), ("payments", 0.11), ("auth", 0.09)]
    + [("inventory", 0.07), ("shipping", 0.06), ("notifications", 0.05), ("billing", 0.04)]
    + [("catalog", 0.03), ("recommendations", 0.02), (MIDDLING_COMPONENT, 0.01)]
    + [(f"worker-{number:02d}", 0.079 / 48) for number in range(48)]
    + [("batch-import", 0.0005), (RARE_COMPONENT, 1 / _SLOTS)]
)
_ENVIRONMENTS = [
    (FREQUENT_ENVIRONMENT, 0.70),
    ("staging", 0.18),
    ("development", 0.08),
    ("qa", 0.03),
    ("canary", 0.005),
    (RARE_ENVIRONMENT, 2 / _SLOTS),
]
_COUNTRIES = [
    *[("DE", 0.3), ("US", 0.25), ("FR", 0.15), ("GB", 0.12), ("JP", 0.08)],
    *((name, 0.1 / 8) for name in ("BR", "IN", "CA", "ES", "IT", "SE", "PL", "IS")),
]
_TIERS = [("free", 0.6), ("silver", 0.25), ("gold", 0.14), ("platinum", 0.01)]

_MESSAGES: list[tuple[str, float]] = [
    ("GET /v2/catalog/items/{a} answered 200 in {b} ms", 0.22),
    ("order {a} placed: {c} items, total {b} EUR", 0.14),
    ("order {a} failed: card declined by the issuer (code {c})", 0.08),
    ("payment {a} captured for order {d} after {b} ms", 0.10),
    ("user {a} signed in from 10.{c}.{c}.{b}", 0.12),
    ("user {a} failed to sign in: wrong password, attempt {c}", 0.05),
    ("stock of item {a} fell to {c}, reorder point is {b}", 0.06),
    ("shipment {a} left warehouse {c} with carrier {b}", 0.06),
    ("cache refresh of segment {a} took {b} ms, {c} entries evicted", 0.05),
    ("retrying upstream call {a}: connection reset by peer, attempt {c} of 5", 0.04),
    ("webhook {a} delivered to https://hooks.example.com/{d}/in with status {b}", 0.04),
    ("invoice {a} sent, due in {c} days, reference RF{d}", 0.03),
    ("TimeoutError: no answer from the inventory service within {b} ms (request {a})", 0.009),
    ("deployment {a} finished: version 2.{c}.{b} is live in all regions", 0.001),
]


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted event; `data` is JSON text or None."""

    component: str
    environment: str
    message: str
    email: str | None
    data: str | None

    def body(self) -> bytes:
        """Return the body of the request."""
        return _encode(
            {
                "component": self.component,
                "environment": self.environment,
                "message": self.message,
                "email": self.email,
                "data": msgspec.Raw((self.data or "null").encode()),
            }
        )

    def event(self, raw_id: bytes) -> Event:
        """Return the event under this id, as the API would make it."""
        digits, ms = raw_id.hex(), int.from_bytes(raw_id[:6], "big")
        return Event(
            f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}",
            time_text(ms),
            self.component,
            self.environment,
            self.message,
            self.email,
            msgspec.Raw((self.data or "null").encode()),
        )


_encode = msgspec.json.Encoder().encode
encode = encode_event


class EventMaker:
    """A generator of events for one seed, without end."""

    def __init__(self, seed: int | str) -> None:
        # Tables and tails are equal for every seed, so that runs of one version are comparable.
        fixed = random.Random(VERSION)
        self._components = _slots(fixed, _COMPONENTS)
        self._environments = _slots(fixed, _ENVIRONMENTS)
        self._countries = _slots(fixed, _COUNTRIES, 4096)
        self._tiers = _slots(fixed, _TIERS, 4096)
        self._messages = _slots(fixed, _MESSAGES, 4096)
        self._tails = [_tail(fixed) for _ in range(_TAILS)]
        self._spread = random.Random(f"{VERSION}:{seed}")

    def __iter__(self) -> Iterator[Posted]:
        while True:
            yield self.make()

    def make(self) -> Posted:
        """Make the next event."""
        uniform = self._spread.random
        number = int(uniform() * 10_000_000)
        order = 10_000_000 + int(uniform() * 90_000_000)
        return Posted(
            self._components[int(uniform() * _SLOTS)],
            self._environments[int(uniform() * _SLOTS)],
            self._message(number, order),
            None if uniform() < _NO_EMAIL else email(int(EMAILS * uniform() ** 2)),
            None if uniform() < _NO_DATA else self._data(number, order),
        )

    def raw_id(self, ms: int) -> bytes:
        """Return a UUIDv7 of that millisecond: as random as the API's, but made from the seed."""
        bits = self._spread.getrandbits(80) | 0x7000 << 64 | 0x8000 << 48
        bits &= ~(0x8000 << 64 | 0x4000 << 48)
        return ms.to_bytes(6, "big") + bits.to_bytes(10, "big")

    def _message(self, number: int, order: int) -> str:
        uniform = self._spread.random
        template = self._messages[int(uniform() * 4096)]
        return template.format(a=order, b=int(uniform() * 1000), c=int(uniform() * 40), d=number)

    def _data(self, number: int, order: int) -> str:
        uniform = self._spread.random
        tier = self._tiers[int(uniform() * 4096)]
        country = self._countries[int(uniform() * 4096)]
        tail = "" if uniform() < _TAIL_FREE else self._tails[int(uniform() * _TAILS)]
        return (
            f'{{"order_id":{order},"amount":{int(uniform() * 100000) / 100},"retry":false,'
            f'"customer":{{"id":{number},"tier":"{tier}","country":"{country}"}}{tail}}}'
        )


def email(number: int) -> str:
    """Return one of the 100,000 emails; low numbers have the most events."""
    return f"user{number:05d}@{'example.com' if number % 3 else 'mail.example.org'}"


def _slots(
    spread: random.Random, weighted: Sequence[tuple[str, float]], slots: int = _SLOTS
) -> list[str]:
    """Return a table for random draws; the first entry gets what is left over."""
    table = [name for name, share in weighted[1:] for _ in range(round(share * slots))]
    table += [weighted[0][0]] * (slots - len(table))
    spread.shuffle(table)
    return table


def _tail(spread: random.Random) -> str:
    """Return the rest of a `data` object: tags, then steps or text until its size is reached."""
    size = min(_LARGEST_DATA - 160, int(spread.lognormvariate(5.4, 0.9)))
    tags = [f"t{spread.randrange(200)}" for _ in range(spread.randrange(1, 5))]
    parts = [f',"tags":{msgspec.json.encode(tags).decode()}']
    left = size - len(parts[0])
    if left > 60 and spread.random() < 0.5:
        steps = [_step(spread) for _ in range(left // 60)]
        parts.append(f',"trace":{{"steps":[{",".join(steps)}]}}')
    elif left > 60:
        words = " ".join(f"at frame{spread.randrange(4000)}" for _ in range(left // 13))
        parts.append(f',"context":{{"stack":"{words}"}}')
    return "".join(parts)


def _step(spread: random.Random) -> str:
    name = f"step-{spread.randrange(300)}"
    ms, host = spread.randrange(5000), f"n{spread.randrange(64)}"
    return f'{{"name":"{name}","ms":{ms},"ok":true,"host":"{host}"}}'
