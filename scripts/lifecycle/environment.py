"""What `tokens.py` takes from the environment. Nothing else in it reads a variable of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lifecycle.errors import UsageError
from mcp_faas.stores import DEFAULT_TIMEOUT_SECONDS, Access, check_encrypted

LONGEST_TIMEOUT_SECONDS = 100.0


def access(environment: Mapping[str, str] = os.environ) -> Access:
    """How to reach the services: TOKENS_TIMEOUT, FC_ENDPOINT, OSS_ENDPOINT; AWS credentials are boto3's business."""
    text = environment.get("TOKENS_TIMEOUT", "")
    try:
        timeout = float(text) if text else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        timeout = 0.0
    if not 0 < timeout <= LONGEST_TIMEOUT_SECONDS:
        raise UsageError(f"TOKENS_TIMEOUT is {text!r}; it takes seconds, up to {LONGEST_TIMEOUT_SECONDS:.0f}, like 10")
    for name in ("FC_ENDPOINT", "OSS_ENDPOINT"):
        endpoint = environment.get(name, "")
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise UsageError(f"{name} is {endpoint!r}; it takes a URL, like http://127.0.0.1:8788")
        check_encrypted(name, endpoint)
    key_id = environment.get("ALIBABA_CLOUD_ACCESS_KEY_ID")
    key_secret = environment.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
    key = (key_id, key_secret, environment.get("ALIBABA_CLOUD_SECURITY_TOKEN", "")) if key_id and key_secret else None
    return Access(
        timeout=timeout,
        fc_endpoint=environment.get("FC_ENDPOINT", ""),
        oss_endpoint=environment.get("OSS_ENDPOINT", ""),
        fc_key=key,
    )
