"""What is in the sdist and in the wheel, and what an index shows of it."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message

import pytest

from tests.packaging.conftest import ROOT, Built
from tests.requirements import require

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def metadata(built: Built) -> Message:
    """The wheel's."""
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_string(wheel.read(name).decode())


def test_the_sdist_is_the_repository(built: Built) -> None:
    """Unpacked it is tested and documented with its own `make`, so nothing may be missing."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: an sdist, say")
    listed = subprocess.run(
        [require("git"), "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with tarfile.open(built.sdist) as archive:
        packed = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    assert packed - {"PKG-INFO"} == set(listed.stdout.splitlines())


def test_the_wheel_is_the_package(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {each for each in wheel.namelist() if ".dist-info/" not in each}
    source = ROOT / "src"
    assert names == {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "postshake/py.typed" in names


def test_the_pythons_are_those_of_ci(metadata: Message) -> None:
    told = {
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier", [])
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", each)
    }
    assert told == {"3.11", "3.12", "3.13", "3.14", "3.15"}


def test_readme_has_no_dead_links_on_an_index(metadata: Message) -> None:
    text = str(metadata.get_payload())
    assert text.startswith("# postshake")
    assert "<!--" not in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [each for each in links if not each.startswith("https://")] == []


def test_urls_are_the_same_everywhere() -> None:
    """One place says where the repository is; the site follows it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project.get("urls", {}).get("Repository")
    site = re.search(r"^repo_url: (.*)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert (site and site[1]) == repository


def test_links_become_absolute_where_there_is_a_repository() -> None:
    pytest.importorskip("hatchling")
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import for_index
    finally:
        sys.path.remove(str(ROOT))
    text = "[a](docs/a.md#b) [c](https://c.example/) [d](#d)\n```python\nx[y](z)\n```\n"
    assert for_index(text, "https://forge.example/o/r") == (
        "[a](https://forge.example/o/r/blob/HEAD/docs/a.md#b) [c](https://c.example/) [d](#d)\n"
        "```python\nx[y](z)\n```\n"
    )
    assert for_index(text, None).startswith("a [c](https://c.example/) [d](#d)\n")
