"""Entry point: the authorization server on AWS Lambda, behind an HTTP API. Handler: aws_lambda.handler."""

from __future__ import annotations

import os

from authorization_server.settings import read_settings
from mcp_faas import logs

settings = read_settings(os.environ)
logs.configure(settings.log_level)  # before the libraries that could set logging up themselves

from authorization_server.app import create_app  # noqa: E402
from authorization_server.lambda_events import handler_for  # noqa: E402
from authorization_server.services import open_services  # noqa: E402

handler = handler_for(create_app(settings, open_services(settings)))
