"""The site holds every public name and command, and none of its links is dead."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.house.test_examples import PACKAGES, public

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.rst"))
DIRECTIVE = re.compile(r"^\.\. (currentmodule|auto\w+|data):: (\S+)", re.MULTILINE)


def listed() -> Iterator[str]:
    """Full name of each thing that a page of the reference describes."""
    for page in REFERENCE:
        module = ""
        for kind, name in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind == "currentmodule":
                module = name
            else:
                yield f"{module}.{name}"


def test_the_reference_describes_every_public_name_once() -> None:
    names = list(listed())
    assert len(names) == len(set(names))
    wanted = {f"{package}.{name}" for package in PACKAGES for name, _ in public(package)} - {"submit.sweep.main"}
    assert wanted <= set(names)


class Page(HTMLParser):
    """The links of a page, and what they may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {name for name in (values.get("id"), values.get("name") if tag == "a" else None) if name}
        if link := values.get({"a": "href", "img": "src", "link": "href", "script": "src"}.get(tag, "")):
            self.links.append(link)


def unlinked(page: str) -> list[str]:
    """What a page's See Also sections name without there being such a thing."""
    boxes = re.findall('<div class="admonition seealso">(.*?)</div>', page, re.DOTALL)
    return [term for box in boxes for term in re.findall("<dt>(.*?)</dt>", box, re.DOTALL) if "href=" not in term]


@pytest.mark.slow
def test_the_site_is_made_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs", ".", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    made = [path for path in tmp_path.rglob("*.html") if "_static" not in path.parts]  # there lie the theme's own
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in made}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.exists() and (not parts.fragment or unquote(parts.fragment) in pages[target].anchors)
            if not there:
                dead.append(f"{path.relative_to(tmp_path)}: {link}")
    assert not dead
    assert not [name for path in made for name in unlinked(path.read_text(encoding="utf-8"))]
    assert "README.html" in pages[tmp_path / "index.html"].links
    commands = (tmp_path / "docs" / "reference" / "commands.html").read_text(encoding="utf-8")
    words = re.sub("<[^>]*>", "", commands)
    assert all(line in words for line in ("edfstat paper", "submit.sweep doctor", "trainers.spaces draw"))
