"""What the server tells of itself: RFC 8414 metadata, from the settings alone. No I/O, no request."""

from __future__ import annotations

from typing import Any

from authorization_server.settings import Settings

AUTHORIZE, TOKEN, REGISTER = "/authorize", "/token", "/register"
REVOKE, INTROSPECT, KEYS = "/revoke", "/introspect", "/jwks.json"
WELL_KNOWN_OAUTH = "/.well-known/oauth-authorization-server"
WELL_KNOWN_OPENID = "/.well-known/openid-configuration"

GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
AUTH_METHODS = ("none", *SECRET_METHODS)
SIGNING_ALGORITHM = "ES256"
LOCALES = ("en", "zh-CN")


def document(settings: Settings) -> dict[str, Any]:
    """The metadata of RFC 8414 §2, with the members of RFC 9207, RFC 9728 §4 and client ID metadata documents."""
    found: dict[str, Any] = {
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url(AUTHORIZE),
        "token_endpoint": settings.url(TOKEN),
        "jwks_uri": settings.url(KEYS),
        "revocation_endpoint": settings.url(REVOKE),
        "introspection_endpoint": settings.url(INTROSPECT),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": list(SECRET_METHODS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": settings.client_documents,
        "protected_resources": list(settings.resources),
        "ui_locales_supported": list(LOCALES),
    }
    if settings.scopes:
        found["scopes_supported"] = list(settings.scopes)
    if settings.registration:
        found["registration_endpoint"] = settings.url(REGISTER)
    return found


def openid_document(settings: Settings) -> dict[str, Any]:
    """The same at OpenID discovery's path, where some clients look alone.

    Two members more, without which they take the document for broken; there are no ID tokens here, and no `openid`
    scope to ask for one.
    """
    return {
        **document(settings),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [SIGNING_ALGORITHM],
    }
