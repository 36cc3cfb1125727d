"""The ids in paths, as the OpenAPI document describes them. The routes check them themselves."""

from typing import Annotated

from fastapi import Path

_UUID = {"format": "uuid"}

EventId = Annotated[
    str, Path(description="The event's `id`: a UUID of version 7.", json_schema_extra=_UUID)
]
ErasureId = Annotated[str, Path(description="The erasure's `id`.", json_schema_extra=_UUID)]
KeyId = Annotated[
    str,
    Path(
        description="The key's `id`: the 8 characters after `act_`.",
        json_schema_extra={"pattern": "^[0-9A-Za-z]{8}$"},
    ),
]
