"""YAML whose errors name their line: the values, and for every place in them where it stands in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, NoReturn

import yaml

from platform_assets.errors import SettingsError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class YamlFile:
    """One document. `data`: plain values, dates and times as ISO text. A place is a path of keys and indexes, ("schema", 0, "name")."""

    path: Path
    data: Any
    root: yaml.Node | None

    def line(self, place: Sequence[str | int]) -> int:
        """The 1-based line of the place, or of the innermost part of it that exists."""
        node, line = self.root, 1
        for step in place:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == step), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def refuse(self, place: Sequence[str | int], message: str, **facts: object) -> NoReturn:
        """Raises SettingsError naming file and line."""
        line = self.line(place)
        raise SettingsError(f"{self.path}, line {line}: {message}", path=str(self.path), line=line, **facts)


def read_yaml(path: Path) -> YamlFile:
    """Raises SettingsError for text that is not UTF-8, not YAML, or states a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}.", path=str(path)) from error
    return yaml_in(path, text)


def yaml_in(path: Path, text: str) -> YamlFile:
    """The YAML of a text that comes from the file; its lines are those of the text. Raises SettingsError as read_yaml does."""
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            data = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}{place}: not valid YAML: {getattr(error, 'problem', None) or error}.", path=str(path)) from error
    if root is not None:
        _refuse_twins(path, root, set())
    return YamlFile(path, _plain(data), root)


def _refuse_twins(path: Path, node: yaml.Node, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twins(path, item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and keys.setdefault(key.value, line) != line:
                raise SettingsError(
                    f"{path}, line {line}: {key.value!r} stands in line {keys[key.value]} already.", path=str(path), line=line
                )
            _refuse_twins(path, value, seen)


def _plain(value: Any) -> Any:
    """YAML reads an unquoted 2024-01-01 as a date; rules and JSON want text."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, (date, time)) else value


def to_yaml(data: Any) -> str:
    """Plain values as the text of a document, keys in their order."""
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=140)
    return text
