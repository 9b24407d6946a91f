"""YAML text into a document, with the line of every field and nothing that could run code.

Only YAML's core schema is read: ``true``/``false``, ``null``, decimal numbers and text. ``on`` is text,
``010`` is ten and a date is text, so no value changes its type behind the writer's back. Anchors, aliases,
tags of other types and duplicate keys are refused: a render job needs none, and each has surprised somebody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

import yaml

from jobs.documents import DEEPEST_NESTING, Document, FieldPath, check_text, dotted, duplicate_key, refuse
from jobs.errors import SpecMistake

_TAG = "tag:yaml.org,2002:"

# (type, the whole plain scalar, its possible first characters), tried in this order
_CORE_SCHEMA: Sequence[tuple[str, re.Pattern[str], Sequence[str]]] = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ("", *"~nN")),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), tuple("tTfF")),
    ("int", re.compile(r"[-+]?[0-9]+\Z", re.ASCII), tuple("-+0123456789")),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
            re.ASCII,
        ),
        tuple("-+.0123456789"),
    ),
)


def read_yaml(text: str) -> Document:
    """Read YAML.

    Raises:
        DocumentRefused: The text is not YAML, holds more than one document, is nested too deep, or uses what
            render jobs do without.
    """
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join((error.problem or error.context or "cannot be parsed").split())
        refuse("syntax", f"is not valid YAML: {reason}", line=mark.line + 1 if mark else None)
    except yaml.reader.ReaderError as error:
        refuse("not_text", "holds a character that YAML does not allow", line=_line_at(text, error.position))
    except (ValueError, OverflowError, IndexError, RecursionError):
        # PyYAML lets these through for escapes beyond Unicode and version numbers beyond reason.
        refuse("syntax", "is not valid YAML: an escape or a directive has no meaning")
    if node is None:
        return Document(value=None)
    reader = _NodeReader()
    value = reader.plain(node, ())
    return Document(value=value, lines=reader.lines, mistakes=tuple(reader.mistakes))


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, pattern, first_characters in _CORE_SCHEMA:
        for character in first_characters:
            table.setdefault(character, []).append((_TAG + kind, pattern))
    return table


class _CoreLoader(yaml.SafeLoader):
    """The safe loader, narrowed to the core schema, without aliases and with bounded depth."""

    yaml_implicit_resolvers = _resolvers()
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None:
            refuse("alias", "uses a YAML anchor or alias, which render jobs do not have", line=line)
        if self.depth > DEEPEST_NESTING:
            refuse("too_deep", f"is nested deeper than {DEEPEST_NESTING} levels", line=line)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _NodeReader:
    """Turns composed nodes into plain values and remembers where each field was."""

    def __init__(self) -> None:
        self.lines: dict[FieldPath, int] = {}
        self.mistakes: list[SpecMistake] = []

    def plain(self, node: yaml.Node, path: FieldPath) -> Any:
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return _refuse_tag(node)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                refuse("syntax", "has a list or a mapping where a field's name belongs", line=_line(key_node))
            key: str = key_node.value
            check_text(key)
            here = (*path, key)
            if key in members:
                self.mistakes.append(duplicate_key(here, line=_line(key_node)))
            self.lines[here] = _line(key_node)
            members[key] = self.plain(value_node, here)
        return members

    def _scalar(self, node: yaml.ScalarNode, path: FieldPath) -> Any:
        text: str = node.value
        check_text(text)
        try:
            match node.tag.removeprefix(_TAG):
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return int(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (ValueError, KeyError):
            message = f"cannot be read as {node.tag.removeprefix(_TAG)}"
            self.mistakes.append(
                SpecMistake(path=dotted(path), code="wrong_type", message=message, line=_line(node))
            )
            return None
        return _refuse_tag(node)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _refuse_tag(node: yaml.Node) -> NoReturn:
    tag = node.tag.replace(_TAG, "!!")
    refuse("tag", f"uses the YAML tag '{tag}', which render jobs do not have", line=_line(node))
