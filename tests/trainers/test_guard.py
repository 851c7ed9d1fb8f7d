"""Another package named `datasets` is told apart before anything of it runs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_foreign_datasets_gives_one_error_with_path_and_remedy(tmp_path: Path) -> None:
    foreign = tmp_path / "datasets"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise SystemExit('must not run')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", "import trainers"], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError")
    assert str(foreign) in message
    assert "pip uninstall datasets" in message


def test_importing_trainers_leaves_torch_alone() -> None:
    code = "import trainers, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
