"""Evaluate a CloudFormation template for given parameters: what would be made, and what would be refused before.

Knows the functions that template.yaml uses and no others. A reference to something that would not be made is an error,
as it is for CloudFormation. What only the cloud knows stays a placeholder: `{Api}` for a Ref, `{Api.Arn}` for a GetAtt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "demo",
}
NO_VALUE = object()


class Stack:
    """The resources and outputs of one template with one set of parameters."""

    def __init__(self, template: Mapping[str, Any], **parameters: str) -> None:
        self.template = template
        defaults = {name: str(declared["Default"]) for name, declared in template["Parameters"].items()}
        unknown = parameters.keys() - defaults.keys()
        assert not unknown, f"no such parameter: {unknown}"
        self.parameters = {**defaults, **parameters}
        made = template["Resources"]
        self.active = {name for name, resource in made.items() if self.is_true(resource.get("Condition"))}
        self.resources: dict[str, Any] = {name: self.resolve(made[name]) for name in sorted(self.active)}
        for name, resource in self.resources.items():
            needed = resource.get("DependsOn", [])
            missing = {needed} - self.active if isinstance(needed, str) else {*needed} - self.active
            assert not missing, f"{name} depends on {missing}, which is not made"
        self.outputs: dict[str, str] = {
            name: self.resolve(output["Value"])
            for name, output in template["Outputs"].items()
            if self.is_true(output.get("Condition"))
        }

    def of_type(self, kind: str) -> dict[str, Any]:
        """Properties of the resources of one type, by name."""
        return {name: made["Properties"] for name, made in self.resources.items() if made["Type"] == kind}

    def refusals(self) -> list[str]:
        """What CloudFormation would say instead of making anything."""
        said = [
            declared["ConstraintDescription"]
            for name, declared in self.template["Parameters"].items()
            if not allowed(declared, self.parameters[name])
        ]
        for rule in self.template["Rules"].values():
            if self.holds(rule["RuleCondition"]):
                broken = [one for one in rule["Assertions"] if not self.holds(one["Assert"])]
                said += [one["AssertDescription"] for one in broken]
        return said

    def is_true(self, condition: str | None) -> bool:
        return condition is None or self.holds(self.template["Conditions"][condition])

    def holds(self, expression: Any) -> bool:
        """A condition or a rule's assertion."""
        [(function, argument)] = expression.items()
        if function == "Condition":
            return self.is_true(argument)
        if function == "Fn::Equals":
            left, right = (str(self.resolve(side)) for side in argument)
            return left == right
        if function == "Fn::Not":
            return not self.holds(argument[0])
        if function == "Fn::And":
            return all(self.holds(part) for part in argument)
        if function == "Fn::Or":
            return any(self.holds(part) for part in argument)
        if function == "Fn::Contains":
            return self.resolve(argument[1]) in argument[0]
        raise AssertionError(f"{function} is not a function of conditions that this knows")

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for part in value if (item := self.resolve(part)) is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self.reference(argument)
            if function == "Fn::GetAtt":
                name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
                return self.attribute(name, attribute)
            if function == "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self.is_true(condition) else no)
            if function == "Fn::Select":
                place, choices = argument
                return self.resolve(choices)[int(place)]
            if function == "Fn::Join":
                separator, parts = argument
                return str(separator).join(str(self.resolve(part)) for part in parts)
            if function == "Fn::Split":
                separator, text = argument
                return str(self.resolve(text)).split(separator)
            if function == "Fn::Sub":
                text, names = argument if isinstance(argument, list) else (argument, {})
                return re.sub(r"\$\{([^}]+)\}", lambda found: self.substitute(found[1], names), text)
            assert not function.startswith("Fn::"), f"{function} is not a function that this knows"
        resolved = {key: self.resolve(part) for key, part in value.items()}
        return {key: part for key, part in resolved.items() if part is not NO_VALUE}

    def substitute(self, name: str, names: Mapping[str, Any]) -> str:
        if name in names:
            return str(self.resolve(names[name]))
        return str(self.attribute(*name.split(".", 1)) if "." in name else self.reference(name))

    def reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        known = {**PSEUDO, **self.parameters}
        if name in known:
            return known[name]
        assert name in self.active, f"{name} is referred to, but not made"
        return f"{{{name}}}"

    def attribute(self, name: str, attribute: str) -> str:
        assert name in self.active, f"{name}.{attribute} is referred to, but {name} is not made"
        return f"{{{name}.{attribute}}}"


def allowed(declared: Mapping[str, Any], value: str) -> bool:
    """Does the parameter take this value?"""
    if "AllowedValues" in declared and value not in [str(choice) for choice in declared["AllowedValues"]]:
        return False
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        return False
    if declared["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+", value):
            return False
        number = int(value)
        least, most = int(declared.get("MinValue", number)), int(declared.get("MaxValue", number))
        return least <= number <= most
    return True
