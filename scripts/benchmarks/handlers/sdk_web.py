"""The official SDK's app for an ASGI server, as its users write it: `uvicorn sdk_web:app`. It has no door."""

from __future__ import annotations

from mcp.server.transport_security import TransportSecuritySettings
from sdk_tools import server

app = server.streamable_http_app(
    stateless_http=True,
    json_response=True,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
