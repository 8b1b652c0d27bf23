"""Print the CloudFormation template that AWS makes of template.yaml, without AWS; runs in .venv/tools/sam alone.

`transform.py Door=jwt` first changes a parameter's default: a scanner that evaluates conditions then sees that variant.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-west-1"  # the transform wants one; the result names none


class BasicExecutionPolicy:
    """Stands in for the list of AWS's managed policies, which the real one fetches through IAM."""

    def load(self) -> dict[str, str]:
        name = "AWSLambdaBasicExecutionRole"
        return {name: f"arn:aws:iam::aws:policy/service-role/{name}"}


def cloudformation(text: str, defaults: dict[str, str]) -> dict[str, Any]:
    """The transformed template. Raises `InvalidDocumentException` where AWS would refuse the SAM form."""
    template: dict[str, Any] = yaml_parse(text)
    for name, value in defaults.items():
        template["Parameters"][name]["Default"] = value
    # `sam deploy` uploads the built folder and puts its address here.
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/built.zip"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    result: dict[str, Any] = transform(template, {"AWS::Region": REGION}, BasicExecutionPolicy())
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("defaults", nargs="*", metavar="PARAMETER=VALUE", help="another default for a parameter")
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml")
    options = parser.parse_args()
    try:
        defaults = dict(default.split("=", 1) for default in options.defaults)
        print(json.dumps(cloudformation(options.template.read_text(encoding="utf-8"), defaults), indent=1))
    except ValueError:
        parser.error("write defaults as PARAMETER=VALUE")
    except KeyError as error:
        parser.error(f"{options.template} has no parameter {error}")
    except InvalidDocumentException as error:
        reasons = "; ".join(cause.message for cause in error.causes)
        print(f"{options.template} is not valid SAM: {reasons}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
