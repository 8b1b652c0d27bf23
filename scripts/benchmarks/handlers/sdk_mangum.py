"""The official SDK behind Mangum, as its users write it. It has no door.

The SDK's app can be started only once, so its lifespan is entered when the function starts and not in each call.
"""

from __future__ import annotations

import asyncio

from mangum import Mangum
from mcp.server.transport_security import TransportSecuritySettings
from sdk_tools import server

app = server.streamable_http_app(
    stateless_http=True,
    json_response=True,
    # Without it the SDK answers 421 to every host but localhost.
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
lifespan = app.router.lifespan_context(app)
loop.run_until_complete(lifespan.__aenter__())

handler = Mangum(app, lifespan="off")
