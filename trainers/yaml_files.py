"""Files of settings in YAML: plain values only, no key twice, and no larger or deeper than any setting needs to be."""

from __future__ import annotations

import re
from collections.abc import Hashable
from os import PathLike
from typing import Any

import yaml

from edfstat.errors import InputError
from edfstat.formats.places import home_path

__all__ = ["read_yaml", "written_yaml"]

#: Bounds of a file: bytes; values once every alias is written out; values inside of one another.
MAX_BYTES, MAX_VALUES, MAX_DEPTH = 2**22, 200_000, 40


class _Written(yaml.SafeLoader):
    """YAML by version 1.1, as `written_yaml` writes it; a key that is there twice is a mistake, not a choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} is there twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Loader(_Written):
    """YAML as people mean it: numbers by version 1.2. By 1.1, 5e-4 is text, 010 is 8, and 12:00:00 is 43,200."""


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_NUMBERS = {
    _INT: r"[-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+",
    _FLOAT: r"[-+]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in _NUMBERS]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(f"({_pattern})$"), list("-+.0123456789"))


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, {"0x": 16, "0o": 8}.get(node.value[:2], 10))


_Loader.add_constructor(_INT, _whole)


class _Dumper(yaml.SafeDumper):
    """Text that is a number by either version is quoted."""


for _tag, _pattern in _NUMBERS.items():
    _Dumper.add_implicit_resolver(_tag, re.compile(f"({_pattern})$"), list("-+.0123456789"))


def written_yaml(value: Any) -> str:
    """Plain values as YAML that gives the same values by version 1.1 and 1.2.

    Examples
    --------
    >>> print(written_yaml({"name": "08", "time": "12:00:00", "lr": 5e-4}), end="")
    name: '08'
    time: '12:00:00'
    lr: 0.0005
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def read_yaml(path: str | PathLike[str], *, written: bool = False) -> Any:
    """The value that a YAML file holds; JSON is YAML, too.

    Parameters
    ----------
    path : path
    written : bool, default False
        Whether a program wrote it, by YAML 1.1: the numbers of people are those of version 1.2.

    Returns
    -------
    object
        Mappings, lists, strings, numbers, booleans, dates and None; None for an empty file.

    Raises
    ------
    InputError
        If it is no text or no YAML, has a key twice, or is too large or too deep; the message says where.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "recipe.yaml"
    ...     _ = file.write_text("epochs: 200")
    ...     read_yaml(file)
    {'epochs': 200}
    """
    path = home_path(path)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has more than {MAX_BYTES / 2**20:.0f} MiB; give a file of settings in YAML")
    try:
        loader = (_Written if written else _Loader)(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text; give a file in YAML") from None
    except yaml.YAMLError as error:  # characters that no YAML may hold
        raise InputError(f"{path} is not YAML: {_place(error)}") from None
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        # Before values are made of it: what aliases repeat could fill the memory of whoever writes it out.
        _measured(node, {}, str(path))
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {_place(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is nested more than {MAX_DEPTH} deep; give a file of settings") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not YAML: {error}") from None  # such as the date 2026-13-45
    finally:
        loader.dispose()


def _measured(node: yaml.Node, known: dict[int, tuple[int, int]], path: str, depth: int = 1) -> tuple[int, int]:
    """Values in a node and how deep they lie, aliases written out."""
    if id(node) in known:
        return known[id(node)]
    deep = f"{path} is nested more than {MAX_DEPTH} deep{_at(node)}; give a file of settings"
    if depth > MAX_DEPTH:  # what holds itself has no end
        raise InputError(deep)
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    inside = [_measured(part, known, path, depth + 1) for part in parts]
    count = 1 + sum(values for values, _ in inside)
    height = 1 + max((levels for _, levels in inside), default=0)
    if height > MAX_DEPTH:  # by aliases
        raise InputError(deep)
    if count > MAX_VALUES:
        raise InputError(f"{path} holds more than {MAX_VALUES:,} values{_at(node)}; shorten it or use fewer aliases")
    known[id(node)] = count, height
    return count, height


def _at(node: yaml.Node) -> str:
    return f" (line {node.start_mark.line + 1})"


def _place(error: yaml.YAMLError) -> str:
    """Line, column and kind of a mistake."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
