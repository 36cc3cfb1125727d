"""What requests that post may have at most, as the settings say."""

from dataclasses import dataclass

from api.formats.otlp.export import Bounds
from api.http.request_body import BodyLimits
from api.ingest.batch_reader import BatchLimits
from api.settings import ApiSettings


@dataclass(frozen=True)
class RequestLimits:
    """Limits of a posted event, of a batch's body, of its items, and of OTLP log records."""

    event: BodyLimits
    batch: BodyLimits
    items: BatchLimits
    records: Bounds

    @classmethod
    def of(cls, settings: ApiSettings) -> "RequestLimits":
        """Return the limits that the settings ask for."""
        event, seconds = settings.event_bytes, settings.body_seconds
        count, size = settings.post_batch_events, settings.post_batch_bytes
        return cls(
            BodyLimits(event, seconds, "one event"),
            BodyLimits(size, seconds, "a batch"),
            BatchLimits(count, event),
            Bounds(count, event, 2 * size),
        )
