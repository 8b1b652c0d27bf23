"""Write the bill of materials of one artifact: CycloneDX 1.6 as JSON. No clock, no randomness: equal builds agree.

Plain data on purpose: a library that builds it would bring seven packages into `make run`. The tests hold what comes
out to the official schema, with that library.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from artifacts.deployables import Artifact, Target
from artifacts.distributions import Distribution
from artifacts.stripping import Removed

PROJECT = re.compile(r'^(name|version|license) = "([^"]+)"$', re.MULTILINE)
ONE_LINE = 100  # characters; a longer `License` is the whole text of one


@dataclass(frozen=True)
class Materials:
    """What an artifact is made of, besides the project's own files."""

    installed: Mapping[str, Distribution]  # what is still there
    requirers: Mapping[str, Collection[str]]
    named: Collection[str]
    removed: Iterable[Removed]


def write(path: Path, artifact: Artifact, target: Target, materials: Materials, pyproject: Path, sha256: str) -> None:
    """`sha256` is the zip's, which the document so belongs to."""
    project = dict(PROJECT.findall(pyproject.read_text(encoding="utf-8")))
    root = {
        "type": "application",
        "bom-ref": artifact.name,
        "group": project["name"],
        "name": artifact.name,
        "version": project["version"],
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": [_expression(project["license"])],
        "properties": _properties({"python": target.python, "architecture": target.architecture}),
    }
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": _components(materials),
        "dependencies": _dependencies(artifact.name, materials),
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def purl(one: Distribution) -> str:
    return f"pkg:pypi/{one.name}@{quote(one.version)}"


def licences(one: Distribution) -> list[dict[str, Any]]:
    """What the metadata declares: as SPDX names it where it does, otherwise in its own words."""
    declared = [text.strip() for field in ("License-Expression", "License") for text in one.values(field)]
    declared = [text for text in declared if 0 < len(text) <= ONE_LINE and "\n" not in text]
    for text in declared:
        try:
            return [_expression(canonicalize_license_expression(text))]
        except InvalidLicenseExpression:
            continue
    classifiers = (value.split(" :: ") for value in one.values("Classifier"))
    names = declared or [parts[-1] for parts in classifiers if parts[0] == "License" and len(parts) > 1]
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in names]


def _expression(text: str) -> dict[str, Any]:
    return {"expression": text, "acknowledgement": "declared"}


def _components(materials: Materials) -> list[dict[str, Any]]:
    left_out: dict[str, list[str]] = {}
    for each in materials.removed:
        left_out.setdefault(each.row.distribution, []).extend(each.row.files)
    found = []
    for name, one in sorted(materials.installed.items()):
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl(one),
            "name": name,
            "version": one.version,
            "purl": purl(one),
            # No `hashes`: the lock allows every file of a release, and uv does not say which one it took.
        }
        if licences(one):
            component["licenses"] = licences(one)
        inner = sorted(path for path in one.info.glob("sboms/*") if path.is_file())
        if inner:  # of what is compiled into its library; the path is that in the zip
            references = [path.relative_to(one.info.parent).as_posix() for path in inner]
            component["externalReferences"] = [{"type": "bom", "url": quote(path)} for path in references]
        if name in left_out:
            component["properties"] = [_property("left-out", pattern) for pattern in left_out[name]]
        found.append(component)
    return found


def _dependencies(root: str, materials: Materials) -> list[dict[str, Any]]:
    installed = materials.installed
    needed: dict[str, set[str]] = {name: set() for name in installed}
    for name, requirers in materials.requirers.items():
        for requirer in requirers:
            if name in installed and requirer in installed:
                needed[requirer].add(purl(installed[name]))
    rows = [{"ref": root, "dependsOn": sorted(purl(installed[name]) for name in materials.named if name in installed)}]
    return rows + [{"ref": purl(installed[name]), "dependsOn": sorted(needed[name])} for name in sorted(installed)]


def _properties(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [_property(name, value) for name, value in values.items()]


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"mcp-faas:{name}", "value": value}
