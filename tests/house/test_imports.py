"""Dependencies point one way: edfstat <- datasets, trainers <- submit."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "edfstat": {"torch", "torchvision", "submitit", "sklearn", "trainers", "datasets", "submit"},
    "datasets": {"trainers", "submit", "submitit"},
    "trainers": {"submit", "submitit"},
    "submit": set(),
}


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_package_imports_only_what_lies_below_it(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no Python files"
    wrong = {str(f.relative_to(ROOT)): bad for f in files if (bad := imported_packages(f) & FORBIDDEN[package])}
    assert not wrong


def test_private_names_stay_in_their_modules() -> None:
    files = [path for package in FORBIDDEN for path in (ROOT / package).rglob("*.py")]
    taken = [
        f"{path.relative_to(ROOT)}: {alias.name} of {node.module}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert not taken


def test_spaces_need_no_torch() -> None:
    files = sorted((ROOT / "trainers" / "spaces").rglob("*.py"))
    assert files
    wrong = [f.name for f in files if imported_packages(f) & {"torch", "torchvision"}]
    assert not wrong


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import edfstat; edfstat.__version__", ["xarray"]),
        ("import edfstat; edfstat.auc([5.0, 6.0, 8.0], [7.0, 9.0], level=0.95)", ["scipy.stats"]),
        ("import edfstat", ["torch", "matplotlib", "statsmodels", "scipy.stats", "trainers", "submitit"]),
        (
            "import edfstat; [getattr(edfstat, name) for name in dir(edfstat)]",
            ["torch", "trainers", "submitit", "sklearn"],
        ),
    ],
)
def test_import_leaves_heavy_packages_unloaded(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
