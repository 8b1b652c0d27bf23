"""Deliver a token to a secret of AWS Secrets Manager, as plain text. The token document is not its business."""

from __future__ import annotations

from mcp_faas.lifecycle.sinks import SinkError
from mcp_faas.lifecycle.sinks.documents import refuse_document
from mcp_faas.stores import Access, StoreError
from mcp_faas.stores.secretsmanager import SecretText
from mcp_faas.tokens import DocumentError


class SecretSink:
    """Moves AWSCURRENT with the version that it moves from, so that two rotators cannot overtake each other."""

    readable = True
    unasked = False

    def __init__(self, label: str, region: str, name: str, access: Access) -> None:
        self.label = label
        self._secret = SecretText(region, name, access)

    def holds(self) -> str | None:
        try:
            found = self._secret.read()
        except (StoreError, DocumentError) as error:
            raise SinkError(f"{error}. The secret must exist: aws secretsmanager create-secret --name NAME") from None
        refuse_document(found.text)
        return found.text if found.version else None

    def deliver(self, token: str) -> None:
        try:
            found = self._secret.read()
            refuse_document(found.text)  # looked at once more: it may have become one since
            if found.version is None or found.text != token:
                self._secret.replace(found.version, token)
        except (StoreError, DocumentError) as error:
            raise SinkError(str(error)) from None
