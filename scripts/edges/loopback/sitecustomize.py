"""Keep a function that listens on every interface to the loopback one. Only a stand-in puts this on a function's path.

FC wants the function on 0.0.0.0, where nobody but its gateway reaches it. On a developer's machine that would be a
second way in, past the door, for the whole network.
"""

import socket
from typing import Any

ONLY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # named to be replaced

_bind = socket.socket.bind


def bind(self: socket.socket, address: Any, /) -> None:
    if isinstance(address, tuple) and address[0] in ONLY:
        address = (ONLY[address[0]], *address[1:])
    _bind(self, address)


socket.socket.bind = bind  # type: ignore[method-assign,assignment]  # a subclass would fail `isinstance` for TLS sockets
