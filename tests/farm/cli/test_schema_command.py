"""`farm schema`: an editor that believes it accepts every example, and finds what the farm would refuse."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.cli import main
from jobs.errors import ExitCode
from jobs.kinds import COMMANDS

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.yaml"))


def checker(kind: str, capsys: pytest.CaptureFixture[str]) -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    assert main(["schema", kind]) == ExitCode.OK
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_what_its_schema_says(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load(example.read_text())
    assert list(checker(document["kind"], capsys).iter_errors(document)) == []


@pytest.mark.parametrize("kind", COMMANDS)
def test_every_kind_has_one_as_a_document_too(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    checker(kind, capsys)
    assert main(["schema", kind, "--json"]) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert (record["ok"], record["kind"]) == (True, kind)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "sede"), 7),
        (("spec", "seed"), "7"),
        (("spec", "motion", "head"), 3.0),
        (("spec", "output", "profile"), "large"),
        (("spec", "scheduling"), {"tier": "urgent"}),
        (("kind",), "TrainJob"),
    ],
)
def test_what_the_farm_refuses_for_its_form_an_editor_finds(
    path: tuple[str, ...], value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (hello,) = [example for example in EXAMPLES if example.name == "hello.yaml"]
    document = deepcopy(yaml.safe_load(hello.read_text()))
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert list(checker("RenderJob", capsys).iter_errors(document)) != []


def test_another_kind_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "Film", "--json"]) == ExitCode.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert all(kind in error["hint"] for kind in COMMANDS)
