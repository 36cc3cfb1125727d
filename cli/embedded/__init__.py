"""PostgreSQL and Valkey from Python wheels, as child processes of a run."""

from cli.embedded.servers import Servers, embedded_servers, prepare_folder, running_servers

__all__ = ["Servers", "embedded_servers", "prepare_folder", "running_servers"]
