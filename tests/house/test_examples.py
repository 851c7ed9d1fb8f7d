"""Every public name has an example, which a reader can paste: it imports what it uses."""

import ast
import builtins
import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

PACKAGES = ["edfstat", "edfstat.plot", "trainers", "trainers.spaces", "datasets", "submit.sweep"]
#: Exceptions speak for themselves, a protocol and tables are met through what makes them; `main` is the command line.
WITHOUT = {"Backend", "CellTable", "StageTable", "main"}


def public(package: str) -> Iterator[tuple[str, Any]]:
    module = import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing


def names_used_before_they_are_made(code: str, known: set[str]) -> set[str]:
    """Names that are read anywhere but made nowhere: an approximation that needs no run."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    made |= {(each.asname or each.name).split(".")[0] for node in nodes
             if isinstance(node, ast.Import | ast.ImportFrom) for each in node.names}  # fmt: skip
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {node.id for node in names} - made - known


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_import_what_they_use(package: str) -> None:
    """With the public names of the package that the example is of, and no others of the module it stands in."""
    known = {*dir(builtins), *import_module(package).__all__, package.split(".")[0]}
    finder = doctest.DocTestFinder()
    wrong = {}
    for name, thing in public(package):
        for test in finder.find(thing, name, module=inspect.getmodule(thing), globs={}):
            code = "".join(example.source for example in test.examples)
            if unknown := names_used_before_they_are_made(code, known):
                wrong[test.name] = unknown
    assert wrong == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example(package: str) -> None:
    exempt = {name for name, thing in public(package) if inspect.isclass(thing) and issubclass(thing, Exception)}
    assert [name for name, thing in public(package) if ">>>" not in (thing.__doc__ or "")
            and name not in exempt | WITHOUT] == []  # fmt: skip
