"""A function that does not load, and says why with an exception."""

raise ValueError("MCP_DOOR is not set; choose one of: platform, bearer, jwt.")
