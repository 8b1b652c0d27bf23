"""Entry point: the authorization server on Alibaba Function Compute, as a web function: `python -m alibaba_fc`."""

from __future__ import annotations

import os
import sys

from authorization_server.settings import read_settings
from mcp_faas import logs
from mcp_faas.settings import read_fc_port
from mcp_faas.settings.values import SettingsError

THREADS = 16  # strangers who wait for clients' documents hold up to 12
KEEP_ALIVE_SECONDS = 15 * 60  # FC keeps connections to an instance; it asks for at least this


def serve() -> None:
    """Serve HTTP until the platform stops the instance."""
    settings, port = read_settings(os.environ), read_fc_port(os.environ)
    logs.configure(settings.log_level)
    import waitress

    from authorization_server.app import BODY_MAX_BYTES, create_app
    from authorization_server.services import open_services

    waitress.serve(
        create_app(settings, open_services(settings)),
        host="0.0.0.0",  # noqa: S104 - FC's gateway reaches the instance from outside its loopback
        port=port,
        threads=THREADS,
        channel_timeout=KEEP_ALIVE_SECONDS,
        max_request_body_size=2 * BODY_MAX_BYTES,  # the app refuses before, with an answer of its own
        max_request_header_size=32 * 1024,
        ident=None,
        expose_tracebacks=False,
    )


if __name__ == "__main__":
    try:
        serve()
    except SettingsError as error:
        sys.exit(str(error))
