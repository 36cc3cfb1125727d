"""Run `activity up` with the queue of ACTIVITY_QUEUE_URL in the place of its own.

Everything else is the command's: its other servers, its supervisor and its processes.
"""

import sys
from dataclasses import replace
from unittest.mock import patch

from cli.embedded import servers
from cli.embedded.server import Server
from cli.main import main
from cli.urls import Urls
from storage.settings import StorageSettings


class _WithoutQueue(servers.Servers):
    @property
    def urls(self) -> Urls:
        return replace(super().urls, queue_url=StorageSettings().queue_url)

    @property
    def all(self) -> tuple[Server, ...]:
        return (self.postgres, self.control)


if __name__ == "__main__":
    with (
        patch.object(servers, "Servers", _WithoutQueue),
        patch("cli.commands.up.refuse_replicas", lambda: None),  # this queue may have some
    ):
        sys.exit(main())
