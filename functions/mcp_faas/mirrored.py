"""Which tools have arguments that clients repeat in `Mcp-Param-*` headers, found out once. Knows the SDK.

The SDK walks the schema of the called tool for them, twice at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp.shared.inbound import x_mcp_header_map

Schema = Mapping[str, Any]
Lookup = Callable[[str], Schema | None]


class MirroredSchemas:
    """A `get_tool_input_schema` for the SDK's server: the schema of a tool that has such arguments, None for others.

    None means to the SDK that there is no header to compare, which is what it finds in such a schema too. A tool that
    is replaced has another schema, and is looked at anew.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._seen: dict[str, tuple[Schema, bool]] = {}

    def __call__(self, name: str) -> Schema | None:
        schema = self._lookup(name)
        if schema is None:
            self._seen.pop(name, None)
            return None
        seen = self._seen.get(name)
        if seen is None or seen[0] is not schema:
            seen = self._seen[name] = (schema, bool(x_mcp_header_map(schema)))
        return schema if seen[1] else None
