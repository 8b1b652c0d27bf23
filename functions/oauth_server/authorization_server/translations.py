"""Every text of the pages, in each language. Texts only."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "consent_title": "Allow access?",
        "consent_question": "{client} wants to use {resource} in your name.",
        "unnamed_client": "An application without a name",
        "unverified": "Nobody has verified this name: any application can call itself so.",
        "document_client": "The application describes itself at {url}.",
        "redirect_web": "You will be sent to {host}.",
        "redirect_loopback": "You will be sent to a program on this computer ({host}).",
        "redirect_private": "You will be sent to an application on this computer ({host}:).",
        "warning_loopback": "Any program on this computer could be behind it. Allow it only if you began this.",
        "warning_private": "Any application can claim such addresses. Allow it only if you began this.",
        "scopes": "It asks for:",
        "no_scopes": "It asks for no particular rights.",
        "allow": "Allow",
        "deny": "Deny",
        "login_title": "Log in",
        "username": "User name",
        "password": "Passphrase",
        "login": "Log in",
        "login_failed": "User name or passphrase is wrong.",
        "error_title": "This did not work",
        "error_advice": "Nothing was allowed. Go back to the application and try again.",
        "error_reference": "Reference:",
        "error_back": "Back to the application",
        "error_detail": "For the application's author:",
    },
}
DEFAULT = "en"
