"""What six OpenID providers publish and send, after their own public documentation as it was in November 2026.

Written by hand, not recorded: nobody here has a tenant. What a login looks at is there, and what that provider alone
has; every name, number and key is made up. `basis` says what rests on an example, and what nobody could look up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from authorizing.stand_in import CLIENT_ID
from authorizing.world import NOON

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
MICROSOFT = f"https://login.microsoftonline.com/{TENANT}"
IDAAS = "https://eiam-api-cn-hangzhou.aliyuncs.com/v2/idaas_ue2jvisn35ea5lmthk2676rypm/app_mltta64q65enci54slingvvsgq"
SECRET_METHODS = ["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True)
class Provider:
    """One issuer. `claims` are those of an ID token after a login with `openid email`, besides `exp` and `nonce`."""

    basis: str
    metadata: dict[str, Any]
    claims: dict[str, Any]
    userinfo: dict[str, Any] = field(default_factory=dict)
    answer_more: dict[str, str] = field(default_factory=dict)  # what comes back beside code and state
    key_more: dict[str, Any] = field(default_factory=dict)  # members of its keys beside those of RFC 7517
    other_keys: tuple[dict[str, Any], ...] = ()
    key_algorithm: str | None = "RS256"

    @property
    def issuer(self) -> str:
        issuer: str = self.metadata["issuer"]
        return issuer


GOOGLE = Provider(
    "the example discovery document and the table of claims of Google's OpenID Connect page",
    {
        "issuer": "https://accounts.google.com",
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
        "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
        "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name", "sub"],
        "code_challenge_methods_supported": ["plain", "S256"],
    },
    {
        "azp": CLIENT_ID,
        "sub": "110169484474386276334",
        "hd": "example.com",
        "email": "jane@example.com",
        "email_verified": True,
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    },
    answer_more={"scope": "email openid", "authuser": "0", "hd": "example.com", "prompt": "none"},
)

ENTRA = Provider(
    "Microsoft's pages on OpenID Connect, on the claims of ID tokens and on optional claims; that times lie "
    "five minutes back is seen, not documented",
    {
        "issuer": f"{MICROSOFT}/v2.0",
        "authorization_endpoint": f"{MICROSOFT}/oauth2/v2.0/authorize",
        "token_endpoint": f"{MICROSOFT}/oauth2/v2.0/token",
        "jwks_uri": f"{MICROSOFT}/discovery/v2.0/keys",
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "device_authorization_endpoint": f"{MICROSOFT}/oauth2/v2.0/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "request_uri_parameter_supported": False,
        "http_logout_supported": True,
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
    },
    {
        "iat": NOON - 300,
        "nbf": NOON - 300,
        "aio": "Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5BisvGQO7YWByjd8i",
        "email": "jane@example.com",
        "xms_edov": True,
        "idp": f"https://sts.windows.net/{TENANT}/",
        "name": "Jane Doe",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "jane@example.com",
        "rh": "0.ARoAv4j5cvGGr0GRqy180BHbR3YRAAAA",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    key_more={"issuer": f"{MICROSOFT}/v2.0", "cloud_instance_name": "microsoftonline.com", "x5c": ["MIIC"]},
    key_algorithm=None,  # its keys do not say what for
    answer_more={"session_state": "6a1fb8d1-6a3e-4b5a-9d38-8a6b0b1f7b7e"},
)


def _okta(base: str, issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/v1/authorize",
        "token_endpoint": f"{base}/v1/token",
        "userinfo_endpoint": f"{base}/v1/userinfo",
        "registration_endpoint": "https://example.okta.com/oauth2/v1/clients",
        "jwks_uri": f"{base}/v1/keys",
        "response_types_supported": ["code", "id_token", "code id_token", "code token", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "password"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile", "address", "phone", "offline_access", "groups"],
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, "client_secret_jwt", "private_key_jwt", "none"],
        "code_challenge_methods_supported": ["S256"],
    }


OKTA_CLAIMS = {
    "sub": "00uid4BxXw6I6TV4m0g3",
    "ver": 1,
    "jti": "ID.4eAWJOCMB3SX8XewDfVRHx9dcM3_zS3Pt9k7-yFxpZg",
    "amr": ["pwd", "mfa", "otp"],
    "idp": "00o1d1sZ5wQFbHnbk0g3",
    "auth_time": NOON - 20,
    "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
}
OKTA = Provider(
    "Okta's reference of its OpenID Connect endpoints, a custom authorization server",
    _okta("https://example.okta.com/oauth2/default", "https://example.okta.com/oauth2/default"),
    {**OKTA_CLAIMS, "email": "jane@example.com", "email_verified": True, "groups": ["Everyone", "example.com"]},
)
OKTA_ORG = Provider(
    "the same reference, the org authorization server, whose ID token is thin where an access token comes with it",
    _okta("https://example.okta.com/oauth2", "https://example.okta.com"),
    OKTA_CLAIMS,
    userinfo={"email": "jane@example.com", "email_verified": True, "zoneinfo": "Europe/Berlin"},
)

REALM = "https://sso.example.com/realms/demo"
KEYCLOAK = Provider(
    "the discovery document and the tokens that Keycloak's own guides show",
    {
        "issuer": REALM,
        "authorization_endpoint": f"{REALM}/protocol/openid-connect/auth",
        "token_endpoint": f"{REALM}/protocol/openid-connect/token",
        "introspection_endpoint": f"{REALM}/protocol/openid-connect/token/introspect",
        "userinfo_endpoint": f"{REALM}/protocol/openid-connect/userinfo",
        "end_session_endpoint": f"{REALM}/protocol/openid-connect/logout",
        "jwks_uri": f"{REALM}/protocol/openid-connect/certs",
        "check_session_iframe": f"{REALM}/protocol/openid-connect/login-status-iframe.html",
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": ["PS384", "RS384", "EdDSA", "ES384", "HS256", "ES256", "RS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", *SECRET_METHODS, "tls_client_auth"],
        "mtls_endpoint_aliases": {"token_endpoint": f"{REALM}/protocol/openid-connect/token"},
        "authorization_response_iss_parameter_supported": True,
        "code_challenge_methods_supported": ["plain", "S256"],
    },
    {
        "auth_time": NOON - 1,
        "jti": "onrtac:0ad4e1a4-bb5c-4c1e-a9a0-5b0a3a3a2f3c",
        "sub": "f3c2a8f4-4f0e-4d8c-9d5e-0a4f4f2b8a11",
        "typ": "ID",
        "azp": CLIENT_ID,
        "sid": "5d1c2f6e-0f0b-4f4c-8f7b-6a3f0b7f1c2d",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "acr": "1",
        "email_verified": True,
        "preferred_username": "jane",
        "email": "jane@example.com",
    },
    answer_more={"session_state": "5d1c2f6e-0f0b-4f4c-8f7b-6a3f0b7f1c2d", "iss": REALM},
    other_keys=({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "for-encryption", "n": "AQAB", "e": "AQAB"},),
)

SCALEKIT = Provider(
    "Scalekit's page on the claims of ID tokens; of the discovery document the endpoints alone are documented",
    {
        "issuer": "https://example.scalekit.com",
        "authorization_endpoint": "https://example.scalekit.com/oauth/authorize",
        "token_endpoint": "https://example.scalekit.com/oauth/token",
        "userinfo_endpoint": "https://example.scalekit.com/userinfo",
        "jwks_uri": "https://example.scalekit.com/keys",
        "id_token_signing_alg_values_supported": ["RS256"],
    },
    {
        "azp": CLIENT_ID,
        "aud": [CLIENT_ID],
        "amr": ["conn_17576372041941092"],
        "sub": "conn_17576372041941092;google-oauth2|104630259163176101050",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "c_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "name": "Jane Doe",
        "locale": "en",
        "email": "jane@example.com",
        "email_verified": True,
    },
)

IDAAS_EIAM = Provider(
    "the endpoints that the API reference shows for an application; discovery and claims are assumed to be as in the "
    "standard",
    {
        "issuer": f"{IDAAS}/oidc",
        "authorization_endpoint": "https://example.aliyunidaas.com/login/app/app_mltta64q65enci54slingvvsgq/oauth2/authorize",
        "token_endpoint": f"{IDAAS}/oauth2/token",
        "userinfo_endpoint": f"{IDAAS}/oauth2/userinfo",
        "device_authorization_endpoint": f"{IDAAS}/oauth2/device/code",
        "revocation_endpoint": f"{IDAAS}/oauth2/revoke",
        "jwks_uri": f"{IDAAS}/oidc/jwks",
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
    },
    {"sub": "user_d6sbsuumeta4h66ec3il7yxxxx", "name": "Jane Doe", "preferred_username": "jane"},
    userinfo={"email": "jane@example.com", "email_verified": True},
)

PROVIDERS = {
    "Google": GOOGLE,
    "Entra": ENTRA,
    "Okta": OKTA,
    "Okta, org server": OKTA_ORG,
    "Keycloak": KEYCLOAK,
    "Scalekit": SCALEKIT,
    "IDaaS": IDAAS_EIAM,
}
