"""What the environment holds that is allowed and hardly meant: one sentence for the log each. No value is in it."""

from __future__ import annotations

from collections.abc import Mapping

KNOWN = (
    "MCP_ALLOWED_ORIGINS",
    "MCP_DOOR",
    "MCP_HIDE_FORBIDDEN",
    "MCP_JWT_ALGORITHMS",
    "MCP_JWT_AUDIENCE",
    "MCP_JWT_ISSUER",
    "MCP_JWT_JWKS",
    "MCP_JWT_JWKS_URL",
    "MCP_JWT_PRIVATE_ISSUER",
    "MCP_JWT_PROFILE",
    "MCP_JWT_SUBJECTS",
    "MCP_LOG_LEVEL",
    "MCP_PUBLIC_URL",
    "MCP_REQUEST_STATE_KEY",
    "MCP_REQUIRE_AUTHORIZER",
    "MCP_SCOPES",
    "MCP_SCOPES_SUPPORTED",
    "MCP_SCOPE_ERROR_IN_RESULT",
    "MCP_SERVER",
    "MCP_SSE",
    "MCP_TOKENS",
    "MCP_TOKEN_SCOPES",
)
# A comma may stand in each of these, where blanks separate; what is surely a mistake is refused before.
COMMAS = ("MCP_JWT_AUDIENCE", "MCP_JWT_SUBJECTS", "MCP_SCOPES", "MCP_SCOPES_SUPPORTED", "MCP_TOKEN_SCOPES")


def doubts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What to warn of: names that no setting has, and commas that separate nothing."""
    found = [
        f"{name} holds a comma, which separates nothing there: blanks do"
        for name in COMMAS
        if name in environ and "," in environ[name]
    ]
    if unknown := sorted(name for name in environ if name.startswith("MCP_") and name not in KNOWN and environ[name]):
        found.append(f"nothing reads {', '.join(map(_with_nearest, unknown))}; docs/settings.md has all settings")
    return tuple(found)


def _with_nearest(name: str) -> str:
    import difflib  # no good start pays for it

    near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.8)
    return f"{name} (is {near[0]} meant?)" if near else name
