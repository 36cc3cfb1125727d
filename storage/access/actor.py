"""Who acts, if no API key says it: the user of the operating system, and the machine."""

import os
import pwd
import socket


def actor() -> str:
    """Return `user@host`. A container's user may have no name: then it is `uid 10001@host`."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return f"{name}@{socket.gethostname()}"
