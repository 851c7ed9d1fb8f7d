"""Draw the pictures of figures.md by the page's own code: ``python docs/draw_figures.py [FOLDER]``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import matplotlib as mpl

HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    """Run every block of the page in `folder`, where it saves its pictures."""
    page = (HERE / "figures.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    # Equal pictures are equal files: no date, and no identifiers drawn at random.
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    mpl.use("Agg")
    os.chdir(folder)
    with mpl.rc_context({"svg.hashsalt": "edfstat"}):
        exec(compile(code, "figures.md", "exec"), {})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "images")
