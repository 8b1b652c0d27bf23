"""Run a command with a RAM role's short-lived credentials in its environment, and in nobody else's. Stores nothing.

    python alibaba_role.py COMMAND [ARGUMENT]...

The role is the one that the official SDK finds: by an OIDC token file in a CI job, or the role of an ECS instance.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from alibabacloud_credentials.client import Client
from alibabacloud_credentials.exceptions import CredentialException


def main(command: Sequence[str]) -> int:
    if not command:
        return end(2, "usage: alibaba_role.py COMMAND [ARGUMENT]...")
    os.environ.pop("DEBUG", None)  # with DEBUG=sdk the SDK prints what it sends and gets
    logging.getLogger("credentials").disabled = True  # it prints what it failed at, with what the other side has said
    try:
        found = Client().get_credential()
    except (CredentialException, ValueError) as error:  # the text of the first quotes answers of the service
        return end(1, f"no credentials of a RAM role ({type(error).__name__}): see docs/ci/README.md")
    if not found.get_security_token():
        return end(1, "these are the credentials of a long-lived key, not of a role: take them out of this environment")
    credentials = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": found.get_access_key_id(),
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": found.get_access_key_secret(),
        "ALIBABA_CLOUD_SECURITY_TOKEN": found.get_security_token(),
    }
    try:
        os.execvpe(command[0], list(command), {**os.environ, **credentials})  # noqa: S606 - no shell, as in subprocess
    except OSError as error:
        return end(1, f"{command[0]} does not run: {error.strerror}")


def end(code: int, why: str) -> int:
    sys.stderr.write(f"alibaba_role: {why}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
