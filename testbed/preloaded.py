"""Start processes whose modules are imported already: `python -m testbed.preloaded FD MODULE`.

To import an API process takes a second of a processor, and the tests start hundreds of them. So one
process imports a module and waits; each start is a fork of it, which then runs `python -m MODULE`'s
own code: a process of its own, with its own memory, sockets and end.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
from importlib import import_module

STATUS_BYTES = 4
MAX_BYTES = 1 << 17  # of one request


def main() -> None:
    """Import, then fork for each request until the other side has closed the socket."""
    descriptor, module = sys.argv[1:]
    import_module(f"{module}.process")
    gc.freeze()  # or each fork copies all of this memory, to look for garbage at its end
    requests = socket.socket(fileno=int(descriptor))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps those that watch
    while True:
        data, descriptors, _, _ = socket.recv_fds(requests, MAX_BYTES, 4)
        if not data:
            return
        if os.fork() == 0:
            requests.close()
            _watch(*descriptors)
            _become(json.loads(data), module, descriptors[1:])
            return  # not reached by a process that ends as it should
        for each in descriptors:
            os.close(each)


def _watch(status: int, *others: int) -> None:
    """Return in a child of this process; write its id, and its status once it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        return
    for each in others:
        os.close(each)
    os.write(status, pid.to_bytes(STATUS_BYTES, "big"))
    ended = os.waitpid(pid, 0)[1]
    os.write(status, ended.to_bytes(STATUS_BYTES, "big"))
    os._exit(0)


def _become(request: dict[str, object], module: str, descriptors: list[int]) -> None:
    """Run the module with the arguments, variables and files of this request."""
    out, error, *inherited = descriptors
    for each, number in ((out, 1), (error, 2)):
        os.dup2(each, number)
        os.close(each)
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["variables"])  # type: ignore[call-overload]
    sys.argv = [module, *(f"--fd={each}" for each in inherited)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
