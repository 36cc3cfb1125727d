"""Where fields of the input go: `--map SOURCE=TARGET[:TYPE]`. Pure."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from cli.errors import UsageError
from cli.send.value_types import KINDS, Kind

_DATA = "data"


class Mapping(NamedTuple):
    """Where a field goes, and as what (None: as it is).

    Both may be nested (`user.email`); an empty target leaves the source out.
    """

    source: str
    target: str
    kind: Kind | None = None

    def text(self) -> str:
        """Return the mapping as `--map` has it."""
        kind = f":{self.kind}" if self.kind else ""
        return f"{self.source}={self.target}{kind}"


def parse_mappings(texts: Sequence[str]) -> tuple[Mapping, ...]:
    """Return the mappings of `SOURCE=TARGET[:TYPE]`. Raises UsageError."""
    found = [_mapping(text) for text in texts]
    targets = [mapping.target for mapping in found if mapping.target]
    if repeated := [target for target in targets if targets.count(target) > 1]:
        raise UsageError(f"--map gives {repeated[0]} more than once")
    return tuple(found)


def _mapping(text: str) -> Mapping:
    source, equals, rest = text.partition("=")
    target, colon, kind = rest.partition(":")
    if not source or not equals or "" in target.split(".")[1:] or target.startswith("."):
        raise UsageError(f"--map {text}: give it as SOURCE=TARGET, such as timestamp=created_at")
    if colon and (kind not in KINDS or not target):
        raise UsageError(
            f"--map {text}: the type after the colon must be number, json or text, as in "
            f"{source}=data.amount:number"
        )
    head, _, inner = target.partition(".")
    if inner and head != _DATA:
        raise UsageError(f"--map {text}: only data can have fields, as in {source}=data.{inner}")
    return Mapping(source, target, cast(Kind, kind) if colon else None)
