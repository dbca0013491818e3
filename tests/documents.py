"""The documents of the repository, and what they say: commands, links, files, modules."""

import re
from pathlib import Path

from tests.conftest import ROOT

ROOMS = [ROOT / room / "README.md" for room in ("zoo", "datamodules", "benchmarks", "configs")]
PAGES = [ROOT / "README.md", *(page for page in ROOMS if page.is_file())]  # every command of theirs is executed
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
CHANGELOG = ROOT / "CHANGELOG.md"  # may name what is no more
MADE_BY_THE_READER = {"zoo/methods/regression.py", "configs/regression.yaml"}  # CONTRIBUTING's example
DOCUMENTS = [*PAGES, ROOT / "CONTRIBUTING.md", *RESULTS, CHANGELOG]

NAMED_FILE = re.compile(r"`((?:zoo|datamodules|benchmarks|configs|tests)/[\w/.]+\.\w+)`")
NAMED_MODULE = re.compile(r"python -m ([\w.]*\w)")
NAMED_SUITE = re.compile(r"python -m benchmarks (?:run|plan) ([a-z]\w*)")
OWN_FILE = re.compile(r"`([\w/]+\.py)`")


def commands(page: Path) -> list[str]:
    """The lines of its ``bash`` blocks, each a command."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def links(document: Path) -> list[str]:
    """Where its links and pictures lead, but for the web and for places on the same page."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    return [target for target in targets if not target.startswith(("http:", "https:"))]


def named_files(document: Path) -> set[str]:
    """By their path from the top, but for those that the document tells its reader to make."""
    return set(NAMED_FILE.findall(document.read_text())) - MADE_BY_THE_READER


def relative(document: Path) -> str:
    """As a test's id."""
    return str(document.relative_to(ROOT))
