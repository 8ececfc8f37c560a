"""What the build adds to the metadata: README.md, as a package index shows it.

On an index README's relative links lead nowhere. Here they become absolute, to the repository
that ``[project.urls]`` names; without one, plain text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["IndexReadme", "for_index"]

CODE = re.compile(r"^```.*?^```$", re.M | re.S)
RELATIVE = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#)([^)]+)\)")
MARK = re.compile(r"<!-- typed: .*? -->\n")


def for_index(text: str, repository: str | None) -> str:
    """Return README's text for a package index.

    Args:
        text: README.md as it is.
        repository: where the files can be read, an address without a slash at its end; None if
            they can be read nowhere.
    """
    link = r"\1" if repository is None else rf"[\1]({repository}/blob/HEAD/\2)"
    text = MARK.sub("", text)
    begin, pieces = 0, []
    for code in CODE.finditer(text):  # a subscript that is called looks like a link
        pieces += [RELATIVE.sub(link, text[begin : code.start()]), code[0]]
        begin = code.end()
    return "".join([*pieces, RELATIVE.sub(link, text[begin:])])


class IndexReadme(MetadataHookInterface):
    """Fills in ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what ``dynamic`` promises; hatchling calls it."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": for_index(text, metadata.get("urls", {}).get("Repository")),
        }
