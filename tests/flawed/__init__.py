"""MCP servers with one flaw each, over one that has none: what the doctor must find. Used by its tests alone."""
