"""Secrets Manager's side of a rotation: it calls the deployed function's steps, and comes back when one has failed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edges.secretsmanager_state import CURRENT, PENDING, Refused
from mcp_faas.generations import Generations
from mcp_faas.stores.secretsmanager import SecretText
from mcp_faas.tokens import Token, TokenDocument, from_object
from rotating.clock import FastClock
from rotating.services import SECRET, AwsService
from rotating.world import FOREIGN, OVERLAP, DocumentProbe, World

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
REGION = "eu-west-1"
CLIENT = "client"  # the secret that a client reads


class Rotation:
    """One secret and its function."""

    def __init__(self, place: AwsService, function: ModuleType) -> None:
        self.place = place
        self.function = function
        self.region: Any = place.manager.region(REGION)
        self.context: object = None  # of the function's invocations

    def begin(self) -> str:
        """The id of the version to be made: that of the rotation before, if it was not completed."""
        for version, labels in self.stages().items():
            if PENDING in labels and CURRENT not in labels:
                return version
        token = str(uuid.uuid4())
        self.region.rotate_secret({"SecretId": SECRET, "RotationLambdaARN": "arn:f", "ClientRequestToken": token})
        return token

    def step(self, name: str, token: str) -> None:
        arn = self.region.describe_secret({"SecretId": SECRET})["ARN"]
        self.function.handler(
            {"Step": name, "SecretId": arn, "ClientRequestToken": token, "RotationToken": str(uuid.uuid4())},
            self.context,
        )

    def rotate(self, times: int = 1) -> str:
        token = self.begin()
        for name in STEPS:
            for _ in range(times):
                self.step(name, token)
        return token

    def document(self) -> TokenDocument:
        return from_object(self.place.truth())

    def states(self) -> list[str]:
        generations = Generations(self.document())
        return [generations.state(token) for token in self.document().tokens]

    def stages(self) -> dict[str, list[str]]:
        stages: dict[str, list[str]] = self.region.describe_secret({"SecretId": SECRET})["VersionIdsToStages"]
        return stages

    def is_complete(self) -> bool:
        """Is AWSPENDING where it stops no later rotation?"""
        return all(CURRENT in labels for labels in self.stages().values() if PENDING in labels)

    def forget(self) -> None:
        """No rotation was ever left unfinished."""
        for version, labels in self.stages().items():
            if PENDING in labels:
                self.region.update_secret_version_stage(
                    {"SecretId": SECRET, "VersionStage": PENDING, "RemoveFromVersionId": version}
                )

    def pending(self, token: str) -> dict[str, Any]:
        found = self.region.get_secret_value({"SecretId": SECRET, "VersionId": token})
        document: dict[str, Any] = json.loads(found["SecretString"])
        return document


class ClientSecret:
    """The secret that a client reads, as it is in truth."""

    def __init__(self, region: Any) -> None:
        self._region = region

    def holds(self) -> str | None:
        try:
            text: str = self._region.get_secret_value({"SecretId": CLIENT})["SecretString"]
        except Refused:
            return None
        return text

    def put(self, token: str) -> None:
        self._region.put_secret_value(
            {"SecretId": CLIENT, "SecretString": token, "ClientRequestToken": str(uuid.uuid4())}
        )


class RotationWorld(World):
    """A world that the function rotates by itself: its client reads a secret, and its door obeys the document.

    `look` runs in the stand-in's thread too, where an exception is only a failed answer; `check` tells what it saw.
    """

    def __init__(
        self, place: AwsService, function: ModuleType, clock: FastClock, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        super().__init__(place, clock, folder)
        self.rotation = Rotation(place, function)
        self.rotation.region.create_secret({"Name": CLIENT})
        self.client = ClientSecret(self.rotation.region)
        self.sinks = [self.client]  # type: ignore[list-item] # it is looked at, and another delivers to it
        self._held: str | None = None
        self._broken: list[AssertionError] = []
        monkeypatch.setenv("ROTATION_DELIVER", f"aws://{REGION}/{CLIENT}")
        monkeypatch.setenv("ROTATION_PROBE", "http://127.0.0.1/mcp")
        monkeypatch.setattr(function, "clock", clock)
        monkeypatch.setattr(function, "Probe", lambda url, timeout: DocumentProbe(self))
        monkeypatch.setattr(SecretText, "call", self._killable(SecretText.call))

    def _killable(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, with a point before and one after it at which the function may be killed."""

        def killable(text: SecretText, operation: str, **arguments: Any) -> Any:
            with self.points():
                return call(text, operation, **arguments)

        return killable

    def begin(self, *tokens: Token) -> None:
        self._held = None
        self.promised.clear()
        self.seen.clear()
        self.service.put(TokenDocument((FOREIGN, *tokens)).to_object())
        self.rotation.forget()
        self.client.put(tokens[-1].data)
        self._held = tokens[-1].data

    def kill_at_point(self, number: int) -> None:
        """Of those that come from now on."""
        self.passed, self.kill_at = 0, number

    def look(self) -> None:
        held = self.client.holds()
        if self._held and held != self._held:
            self.promised[self._held] = self.clock.true_time() + self.overlap.total_seconds()
        self._held = held
        super().look()

    def watch(self) -> None:
        """`look`, for a thread in which nobody hears it."""
        try:
            self.look()
        except AssertionError as error:
            self._broken.append(error)

    def check(self) -> None:
        """Every promise, now and since the last time."""
        self.look()
        if self._broken:
            raise self._broken[0]

    def wait_for_the_next(self) -> None:
        """Until the schedule comes round, which is after the overlap."""
        self.clock.sleep((OVERLAP + timedelta(seconds=5)).total_seconds())
