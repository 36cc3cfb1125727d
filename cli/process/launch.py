"""A script that starts a program which dies with the parent of the script.

    launch.py PARENT SIGNAL ACCOUNT WATCH PROGRAM [ARGUMENT ...]

PARENT is the pid of the parent. SIGNAL is the number of the signal that the program gets when the
parent ends. ACCOUNT is the user to run the program as: `uid:gid:group,group`, or `-` for this user.
WATCH is the read end of a pipe whose write end only the parent holds, or `-` if the kernel reports
the death of the parent (Linux). Without WATCH the program replaces this process and keeps its pid.
With WATCH this process stays, forwards signals, and exits with the status of the program.

The script imports only the standard library, so that it runs with `-I -S` (about 15 ms).
"""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_RUN = 127
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Start the program. Returns only with WATCH, or with 127 if the program can't start."""
    parent, death_signal, account, watch, *program = arguments
    try:
        _restore_signals()
        if watch != "-":
            return _run_watched(int(watch), int(death_signal), account, program)
        _become(account)
        _die_with(int(parent), int(death_signal))
        os.execv(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"cannot run {program[0]}: {error}", file=sys.stderr)
        return _CANNOT_RUN


def _restore_signals() -> None:
    # Programs inherit ignored signals: Python ignores SIGPIPE and SIGXFSZ, a shell's `&` SIGINT.
    for number in (*_FORWARDED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _become(account: str) -> None:
    if account == "-":
        return
    uid, gid, groups = account.split(":")
    os.setgroups([int(group) for group in groups.split(",") if group])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _die_with(parent: int, death_signal: int) -> None:
    # Call prctl after the change of user: the kernel resets the request when credentials change.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the request
        sys.exit(0)


def _run_watched(watch: int, death_signal: int, account: str, program: list[str]) -> int:
    os.set_inheritable(watch, False)
    # A signal that comes before it can be forwarded would end us, and leave the program behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        try:
            _become(account)
            os.execv(program[0], program)  # noqa: S606 - no shell is wanted
        except OSError as error:
            print(f"cannot run {program[0]}: {error}", file=sys.stderr)
        os._exit(_CANNOT_RUN)
    for number in _FORWARDED:
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return _watch(watch, child, death_signal)


def _watch(watch: int, child: int, death_signal: int) -> int:
    """Wait for the end of the program. When the parent's end of the pipe closes, signal it."""
    watched = [watch]
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if select.select(watched, [], [], 0.1)[0]:
            os.kill(child, death_signal)
            watched = []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
