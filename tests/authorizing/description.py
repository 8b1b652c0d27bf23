"""docs/oauth/openapi.yaml as a judge of answers: status, media type, headers and body, each as it is written there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

FILE = Path(__file__).resolve().parents[2] / "docs/oauth/openapi.yaml"
Description = dict[str, Any]


def load() -> Description:
    found: Description = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def operations(description: Description) -> dict[tuple[str, str], Description]:
    return {
        (method.upper(), path): operation
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if method != "description"
    }


class Judge:
    """Reads answers by the description, and remembers which it has seen."""

    def __init__(self, description: Description | None = None) -> None:
        self._description = description = description or load()
        self._validators: dict[int, Draft202012Validator] = {}
        self._registry: Registry[Any] = Registry().with_resource("urn:d", DRAFT202012.create_resource(description))
        self.operations = operations(description)
        self.seen: set[tuple[str, str, str]] = set()
        self.errors: set[tuple[str, str]] = set()

    def read(self, answer: TestResponse) -> None:
        """Raises where the answer is not as it is described."""
        method, path, status = answer.request.method, answer.request.path, str(answer.status_code)
        described = self._followed(self.operations[method, path]["responses"][status])
        self.seen.add((method, path, status))
        for name, header in described.get("headers", {}).items():
            header = self._followed(header)
            assert name in answer.headers or not header.get("required"), f"{method} {path} {status} has no {name}"
            for value in answer.headers.getlist(name):
                self._validator(header["schema"]).validate(
                    int(value) if header["schema"].get("type") == "integer" else value
                )
        content = described.get("content", {})
        assert (answer.mimetype in content) if content else not answer.data, (
            f"{method} {path} {status}: {answer.mimetype}"
        )
        if "application/json" in content:
            self._validator(content["application/json"]["schema"]).validate(answer.json)
            self.errors.add((path, (answer.json or {}).get("error", "")))

    def _followed(self, part: Description) -> Description:
        while "$ref" in part:
            part = self._description["components"][part["$ref"].split("/")[2]][part["$ref"].split("/")[3]]
        return part

    def _validator(self, schema: Description) -> Draft202012Validator:
        """Kept for each part of the description: to make one takes longer than to use it."""
        if id(schema) not in self._validators:
            self._validators[id(schema)] = Draft202012Validator(_absolute(schema), registry=self._registry)
        return self._validators[id(schema)]


def _absolute(schema: Any) -> Any:
    """With references that lead into the description from wherever the schema is."""
    if isinstance(schema, dict):
        return {name: f"urn:d{part}" if name == "$ref" else _absolute(part) for name, part in schema.items()}
    return [_absolute(part) for part in schema] if isinstance(schema, list) else schema
