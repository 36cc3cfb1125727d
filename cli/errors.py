"""The errors of the command. Each becomes one message and an exit status, never a traceback.

CliError                    exit 1: an action failed
├── UsageError              exit 2: an option or a setting is not acceptable
│   ├── BadArguments        the command line can't be parsed
│   └── BadQuestion         the service can't understand what is asked
├── AddressError            the command can't listen on the address
├── NoApiKey                other machines could reach a service that needs no key
├── NotStarted              a stop signal came before anything started
├── NotReady                the service did not become ready in time
├── NotAFile                the path of one of our files leads to a link, a pipe or a folder
├── NothingRuns             no `activity up` runs on this data folder
├── SendError               events can't be sent as the options ask
│   ├── RequestRefused      a refusal that names no event: wrong address, or no right
│   │   └── KeyReused       lines that were already sent have changed since
│   ├── AlreadySending      another run sends the same file
│   └── CannotResume        an interrupted run can't be continued
├── ReadError               the service does not answer a question about its events
│   ├── NoAnswer            it can't be reached, or did not answer in time
│   ├── ReadRefused         no right, or not an Activity Service
│   ├── UnknownEvent        there is no event with this ID
│   └── CannotFollow        the place in the feed is of another history
├── CannotExport            the file of a place in the feed and the output do not fit together
├── BackupError             a backup can't be made or used
│   ├── BackupFailed        it is not finished; the message says why
│   └── BackupUnusable      it is not whole, was changed, or is of another version
├── RestoreError            the servers or the folder can't take what is restored
├── UpgradeFailed           PostgreSQL's data could not be upgraded; they are as they were
└── EmbeddedError           the embedded PostgreSQL or Valkey can't run
    ├── NotInstalled        the wheels with their programs are missing
    ├── FolderError         the data folder can't be created
    │   ├── UnsafeFolder    another user owns the data folder or could replace it
    │   └── UnfinishedFolder  a restore or an upgrade of the data folder was interrupted
    ├── OtherMajor          the data are of another major version of PostgreSQL
    ├── Unreachable         the unprivileged user can't reach the data folder
    ├── DataFolderInUse     another run still holds the data folder
    └── ServerFailed        a server ended or did not become ready; shows the end of its log
"""

import os
from pathlib import Path
from typing import Any

from storage.logs.redaction import redact


def error_document(error: Exception, exit_status: int) -> dict[str, Any]:
    """Return the error as the JSON document that `--json` prints."""
    name = type(error).__name__
    return {"error": {"type": name, "message": redact(message(error)), "exit_status": exit_status}}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, in a command that has something to say of it. Exit status 130."""


class CliError(Exception):
    """An expected failure; its text is the whole message for the user."""


class UsageError(CliError):
    """An option or its setting is not acceptable."""


class BadArguments(UsageError):
    """The command line can't be parsed. `usage` is the usage line of the command in question."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class BadQuestion(UsageError):
    """The service can't understand what is asked; the message shows each fault."""


class AddressError(CliError):
    """The command can't listen on this host and port."""


class NoApiKey(CliError):
    """Other machines could reach the service, and it has no API key; the message has remedies."""


class NotStarted(CliError):
    """A stop signal came before anything started."""


class NotReady(CliError):
    """The service did not answer its probes before the deadline."""


class NotAFile(CliError):
    """The path of one of our files leads to something else, which is left untouched."""


class NothingRuns(CliError):
    """No `activity up` runs on the data folder."""


class SendError(CliError):
    """Events can't be sent as the options ask."""


class RequestRefused(SendError):
    """The request was refused as a whole; the answer names no line."""


class KeyReused(RequestRefused):
    """The service has accepted other lines under the same idempotency key."""


class AlreadySending(SendError):
    """Another run holds the lock of the checkpoint."""


class CannotResume(SendError):
    """The checkpoint of an earlier run does not fit the file or the options."""


class ReadError(CliError):
    """The service does not answer a question about its events."""


class NoAnswer(ReadError):
    """The service can't be reached, or did not answer in time."""


class ReadRefused(ReadError):
    """The request was refused, not the question: no right, or another server."""


class UnknownEvent(ReadError):
    """No event with this ID was accepted."""


class CannotFollow(ReadError):
    """A place in the feed is of another history, such as the one before a restore."""


class CannotExport(CliError):
    """The file of a place in the feed and the output do not fit together, or both are in use."""


class BackupError(CliError):
    """A backup can't be made or used."""


class BackupFailed(BackupError):
    """The backup is not finished, and is no backup; the message says why."""


class BackupUnusable(BackupError):
    """The backup is not whole, was changed since, or is of another version."""


class RestoreError(CliError):
    """The servers or the folder can't take what is restored; nothing was changed."""


class UpgradeFailed(CliError):
    """PostgreSQL's data could not be upgraded; they are as they were."""


class EmbeddedError(CliError):
    """The embedded servers can't run."""


class NotInstalled(EmbeddedError):
    """The packages with the servers' programs are not installed."""


class FolderError(EmbeddedError):
    """The data folder can't be created or used."""


class UnsafeFolder(FolderError):
    """Another user owns the data folder, or could replace it or a file in it."""


class UnfinishedFolder(FolderError):
    """A restore or an upgrade of the data folder was interrupted."""


class OtherMajor(EmbeddedError):
    """The data are of a major version of PostgreSQL that is not installed."""


class Unreachable(EmbeddedError):
    """The servers' user can't reach the data folder."""


class DataFolderInUse(EmbeddedError):
    """Another run holds the data folder."""


class ServerFailed(EmbeddedError):
    """A server failed; the message contains the end of its log."""


class StopRequested(Exception):
    """A stop signal came during a wait. Not an error: it unwinds the stack."""


def message(error: Exception) -> str:
    """Return the message of an error that ends a command."""
    return plain_words(error) if isinstance(error, OSError) else str(error)


def plain_words(error: OSError, told: Path | None = None) -> str:
    """Return the file and the reason, without the number that Python puts first.

    Without the file if it is `told`, which the message names already.
    """
    reason = error.strerror or str(error) or type(error).__name__
    if not isinstance(error.filename, str | bytes):
        return reason
    name = os.fsdecode(error.filename)
    return reason if name == str(told) else f"{name}: {reason}"
