"""The authorization server of `s.yaml`: would it start, and where do its own secrets come from? No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from authorization_server.settings import read_settings
from mcp_faas.settings.values import SettingsError
from s_rules.environments import Watched
from s_rules.resources import Resource, mapping

FROM_OUTSIDE = {
    "AWS_ACCESS_KEY_ID": "${env('OAUTH_AWS_ACCESS_KEY_ID', '')}",
    "AWS_SECRET_ACCESS_KEY": "${env('OAUTH_AWS_SECRET_ACCESS_KEY', '')}",
}


def server(resource: Resource) -> Iterator[str]:
    """Would it start with this environment, does it read all of it, and is no secret in the file?"""
    if not resource.is_authorization_server:
        return
    path = f"{resource.path}.props.environmentVariables"
    written = mapping(mapping(resource.written.get("props")).get("environmentVariables"))
    for name, source in FROM_OUTSIDE.items():
        if name in written and written[name] != source:  # never the value: it may be a secret
            yield f"{path}.{name} is not {source}: what is in the file could be read by everybody who has it."
    watched = Watched({str(name): str(value) for name, value in resource.environment.items()})
    try:
        settings = read_settings(watched)
    except SettingsError as error:
        yield f"{path}: the function would not start. {error}"
        return
    for name in watched.unread(("MCP_", "OAUTH_")):
        yield f"{path}.{name} is set, but nothing reads it. Is it misspelt?"
    if settings.store.startswith("sqlite:"):
        yield f"{path}.OAUTH_STORE is a file of one instance, which FC removes with it; name a table: dynamodb://REGION/TABLE."
    if (urlsplit(settings.issuer).hostname or "").endswith(".fcapp.run"):
        yield f"{path}.OAUTH_ISSUER is a default host of FC, from which browsers download pages; name a custom domain."
