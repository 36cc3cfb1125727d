"""Run as a script between the parent and a program: makes the program die with the parent.

    launch.py PARENT SIGNAL ACCOUNT WATCH PROGRAM [ARGUMENT ...]

PARENT is the pid that must stay alive, SIGNAL the number the program gets when it does not,
ACCOUNT `uid:gid:group,group` to become first or `-`, WATCH the read end of a pipe whose other
end only the parent holds, or `-` where the kernel can tell (Linux). The program takes this
process's place, so that its pid is the one the parent started; with WATCH this process stays,
passes signals on and ends as the program does.

It imports the standard library only, so that it runs with `-I -S` (about 15 ms).
"""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_RUN = 127
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Do what the module says. Returns only when watching, or with 127 when it can't run."""
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
    # Python ignores SIGPIPE and SIGXFSZ, a shell's `&` ignores SIGINT: a program would inherit it.
    for number in (*_PASSED_ON, signal.SIGPIPE, signal.SIGXFSZ):
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
    # After the change of user: the kernel forgets the request when credentials change.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(0)


def _run_watched(watch: int, death_signal: int, account: str, program: list[str]) -> int:
    os.set_inheritable(watch, False)
    child = os.fork()
    if child == 0:
        try:
            _become(account)
            os.execv(program[0], program)  # noqa: S606 - no shell is wanted
        except OSError as error:
            print(f"cannot run {program[0]}: {error}", file=sys.stderr)
        os._exit(_CANNOT_RUN)
    for number in _PASSED_ON:
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    return _watch(watch, child, death_signal)


def _watch(watch: int, child: int, death_signal: int) -> int:
    """Wait for the program's end; when the parent's end of the pipe closes, ask for it."""
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
