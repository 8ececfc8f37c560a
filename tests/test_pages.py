"""Our pages, typed as they stand there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import reader as reader_module
from tests.interop.program import Stage, absent
from tests.reader import PAGES, Reader, blocks

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    try:
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def reader(tmp_path: Path, stage: Stage) -> Reader:
    folder = tmp_path / "empty"
    folder.mkdir()
    return Reader(folder, stage)


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_it_can_be_typed(page: str, reader: Reader) -> None:
    reader.read(page)
    if reader.left_out:
        absent(*sorted(set(reader.left_out)))  # all else was typed


def written(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a page of this text."""
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(reader_module, "ROOT", tmp_path)
    return "page.md"


WELL = """
Save this as `said.py`:

```python
print("said", 2 + 2)
```

<!-- typed: when wanted; says 4 -->
```console
$ python said.py
```

```console
$ X=1
$ export Y=2; echo "$Y"
2
$ echo "and $Y"
and 2
```

<!-- typed: as said.py, other.py; then wanted -->
```python
print("said 4 …")
```

```console
$ python other.py
said … …
```

<!-- typed: with no-such-program -->
```console
$ no-such-program
```

<!-- typed: not, for a reason -->
```console
$ false
```
"""


def test_a_page_that_is_well(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "ROOT", tmp_path)
    reader.environment["PYTHONPATH"] = ""
    reader.read(written(WELL, tmp_path, monkeypatch))
    assert reader.left_out == ["no-such-program"]
    assert sorted(each.name for each in reader.folder.iterdir()) == ["other.py", "said.py"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```console\n$ false\n```\n", r"page.md:1: \$ false"),
        ("```console\n$ echo 1\n2\n```\n", r"not said: \['2'\]"),
        ("```console\n$ cat tls/ca.crt\n```\n", "No such file"),
        ("```console\necho\n```\n", "no line begins"),
        ("Like this:\n\n```python\npass\n```\n", "under which name"),
        ("<!-- typed: not -->\n```console\n$ true\n```\n", "no reason"),
        ("```shell\ntrue\n```\n", "shell?"),
        ("<!-- typed: serves -->\n```console\n$ false\n```\n", "false"),
    ],
)
def test_a_page_that_is_not(text, why, reader, tmp_path, monkeypatch):
    page = written(text, tmp_path, monkeypatch)
    with pytest.raises(AssertionError, match=why):
        reader.read(page)
