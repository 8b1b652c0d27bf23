"""Log in at Cognito user pools that moto plays, and write down what they issued: the argument names a job, a JSON file.

A process of its own, because moto puts itself in front of every AWS client of the process that it is started in.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

import boto3
import requests
from moto import mock_aws

REGION = "eu-west-1"
USER = "alice"
PATIENCE_SECONDS = 10


def pool_with_user(client: Any, password: str) -> str:
    pool: str = client.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client.admin_create_user(UserPoolId=pool, Username=USER)
    client.admin_set_user_password(UserPoolId=pool, Username=USER, Password=password, Permanent=True)
    return pool


def app_client(client: Any, pool: str, name: str) -> str:
    made = client.create_user_pool_client(
        UserPoolId=pool, ClientName=name, ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )
    found: str = made["UserPoolClient"]["ClientId"]
    return found


def login(client: Any, app: str, password: str) -> dict[str, str]:
    """A login with user name and password: the access token, the ID token and the refresh token of it."""
    answer = client.initiate_auth(
        ClientId=app,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": USER, "PASSWORD": password},
    )
    tokens: dict[str, str] = answer["AuthenticationResult"]
    return tokens


def issued() -> dict[str, Any]:
    # The names are any but real ones: no call leaves this process.
    client = boto3.client(
        "cognito-idp", region_name=REGION, aws_access_key_id="local", aws_secret_access_key=secrets.token_urlsafe()
    )
    password = f"aA1!{secrets.token_urlsafe()}"
    ours, other = pool_with_user(client, password), pool_with_user(client, password)
    app, foreign_app = app_client(client, ours, "mcp"), app_client(client, ours, "another")
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{ours}"
    metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=PATIENCE_SECONDS).json()
    return {
        "issuer": metadata["issuer"],
        "jwks": requests.get(metadata["jwks_uri"], timeout=PATIENCE_SECONDS).json(),
        "app": app,
        "login": login(client, app, password),
        "another_app": login(client, foreign_app, password),
        "another_pool": login(client, app_client(client, other, "mcp"), password),
    }


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    with mock_aws():
        found = issued()
    Path(job["result"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
