"""PostgreSQL and Valkey from wheels: started, stopped and never left behind."""

from cli.embedded.servers import Servers, embedded_servers, prepare_folder, running_servers

__all__ = ["Servers", "embedded_servers", "prepare_folder", "running_servers"]
