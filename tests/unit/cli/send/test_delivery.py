"""What a continued run does not send again."""

import io
from collections.abc import Callable

from activity_client.answers import Refused, Verdict
from activity_client.batch import Batch
from activity_client.transport import Transport
from cli.send.chunks import Chunks
from cli.send.delivery import Delivery
from cli.send.outcome import SettledChunk
from cli.send.retry_deadline import RetryDeadline


class Service(Transport):
    """Accepts everything, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9", 1)
        self.sent: list[bytes] = []

    def deliver_whole(
        self,
        batch: Batch,
        pause: Callable[[float, str], None],
        refused: Callable[[float, Refused], None],
    ) -> list[Verdict]:
        self.sent += batch.lines
        return [Verdict(problem=None) for _ in batch.lines]


def delivery(service: Service, settled: list[SettledChunk]) -> Delivery:
    return Delivery(service, "run", RetryDeadline(None), lambda _: None, settled)


def test_a_settled_chunk_is_not_sent_though_its_turn_comes_before_a_thread_takes_it() -> None:
    first, second = Chunks(io.BytesIO(b"1\n2\n"), batch=1)
    earlier = delivery(Service(), [])
    earlier.deliver(second)
    settled = earlier.settled()
    service = Service()
    run = delivery(service, settled)
    run.deliver(first)
    assert run.take(first.start)
    assert run.take(second.start) is None  # no thread has it yet
    assert run.settled() == settled
    run.deliver(second)
    assert run.take(second.start)
    assert run.settled() == []
    assert service.sent == [b"1"]
