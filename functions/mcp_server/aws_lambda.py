"""Entry point: the MCP server on AWS Lambda, behind a Function URL or an HTTP API. Handler: aws_lambda.handler."""

from __future__ import annotations

import os

from mcp_faas import logs
from mcp_faas.settings import read_settings

settings = read_settings(os.environ)
logs.configure(settings.log_level)  # before the SDK is imported: it sets logging up itself where nobody has

from mcp_faas.platforms.aws import handler_for  # noqa: E402
from mcp_faas.platforms.instance import Instance  # noqa: E402
from mcp_faas.server import build_app  # noqa: E402

instance = Instance(build_app(settings, streaming=False))
instance.start()
handler = handler_for(instance, settings.public_url)
