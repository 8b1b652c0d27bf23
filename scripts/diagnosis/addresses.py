"""Which addresses a stranger's document may send the doctor to. Pure: an address in, a class out, no I/O.

The URL that a person typed may be anywhere. What stands in an answer was written by somebody else, and must not make
this machine call into its own network (server-side request forgery, MCP security best practices).
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum

from mcp_faas.issuers.reach import unwrapped


class Reach(IntEnum):
    """How near an address is; a document may lead to its own class or farther away, never nearer."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    NEVER = 3  # link-local, multicast, unspecified: where clouds keep their credentials


def reach_of(address: str) -> Reach:
    found = unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if found.is_loopback:
        return Reach.LOOPBACK
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return Reach.NEVER
    return Reach.PUBLIC if found.is_global else Reach.PRIVATE
