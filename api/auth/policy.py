"""Who is let in without a key, given where the service listens. Quick to import, for commands."""

from typing import Literal

Auth = Literal["auto", "required", "open"]
"""The values of `ACTIVITY_AUTH`."""

Policy = Literal["open", "until_first_key", "required"]
"""Who is let in without a key: everyone, everyone until the first key exists, or no one."""

INSECURE_HELP = "on any address, need no API key until the first one exists, as on 127.0.0.1"


def policy_of(auth: Auth, is_local: bool, insecure: bool) -> Policy:
    """Return who is let in without a key.

    `is_local`: only this machine reaches the address, also a Unix socket. `insecure`: treat the
    address as if it were so.
    """
    if auth == "auto":
        return "until_first_key" if is_local or insecure else "required"
    return auth
