"""Somebody who reads our pages and types what they show, from top to bottom.

In a folder that is empty at first: Python blocks are saved under the name that the text before
them gives (Save this as `app.py`), lines after ``$`` are typed, and what the page shows below
them must be what comes (an ellipsis stands for what differs each time). Nothing else is there
that a page did not tell how to make.

What a reader knows and a program does not stands in comments, which the built pages do not show:

- ``typed: serves``: this runs until something else is served, or the page ends;
- ``typed: as NAME``: the text that names the file, or the files, stands further up;
- ``typed: with PROGRAM``: only where the program is installed;
- ``typed: installs``, ``typed: in the checkout``: only by who has a checkout, and an index of
  packages to ask;
- ``typed: when NAME``: typed whenever a block says ``then NAME``, not where it stands;
- ``typed: patiently``: typed again until what is shown comes, for it takes a moment;
- ``typed: says TEXT``: this is in what comes;
- ``typed: not, REASON``.

Several are joined by semicolons. Ports are others than the page's, so that tests can run side
by side.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.program import Program, Stage, free_port
from tests.requirements import find, require

__all__ = ["PAGES", "ROOT", "Block", "Reader", "blocks"]

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    *(
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if "reference" not in path.parts
    ),
)
PORTS = ("4433", "8443")
SHOWN = re.compile(
    r"(?:^<!-- typed: (?P<marks>[^\n]*?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
SAVED = re.compile(r"[Ss]ave (?:this|it) as\s+`([\w./]+)`")
ENDS = 60.0
"""Seconds after which a command that is typed has failed."""


@dataclass(frozen=True)
class Block:
    """What stands between two lines of backticks."""

    page: str
    line: int
    kind: str
    text: str
    before: str
    """The paragraph above it."""
    marks: tuple[str, ...]

    def mark(self, word: str) -> str | None:
        """Return what a comment says after a word, or None if it has no such word."""
        for each in self.marks:
            if each == word or each.startswith((f"{word} ", f"{word}, ")):
                return each[len(word) :].lstrip(", ")
        return None

    @property
    def names(self) -> list[str]:
        """Under which names a reader saves it."""
        names = (self.mark("as") or "").split(", ")
        if names == [""]:
            names = SAVED.findall(self.before)[-1:]
        assert names, f"{self.where}: under which name is this saved?"
        return names

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Find the blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for each in SHOWN.finditer(text):
        above = text[: each.start()].rstrip()
        found.append(
            Block(
                page,
                text[: each.start()].count("\n") + 1,
                each["kind"],
                each["text"],
                above[above.rfind("\n\n") + 1 :],
                tuple(part.strip() for part in (each["marks"] or "").split(";") if part.strip()),
            )
        )
    return found


@dataclass
class Reader:
    """Types pages.

    Args:
        folder: where, empty.
        stage: where what serves is started.
        home: a home folder in which the source is, in ``src/postshake``, for what is installed
            from it. None leaves that out, and lets ``python`` and ``postshake`` be our own.
    """

    folder: Path
    stage: Stage
    home: Path | None = None
    left_out: list[str] = field(default_factory=list)
    """Programs that are not there, for which something was not typed."""

    def __post_init__(self) -> None:
        self.ports = {port: str(free_port()) for port in PORTS}
        self._serving: Program | None = None
        self._named: dict[str, Block] = {}
        self._state = self.folder.parent / f"{self.folder.name}.environment"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PIP_CONSTRAINT"))
        } | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default", "COLUMNS": "100"}
        if self.home is not None:
            self.environment["HOME"] = str(self.home)
        else:
            self._make_commands(sys.executable)

    def _make_commands(self, python: str) -> None:
        """Let ``python`` and ``postshake`` be what runs this, installed or not."""
        commands = self.folder.parent / f"{self.folder.name}.bin"
        commands.mkdir()
        for name, meant in (("python", ""), ("postshake", " -m postshake")):
            path = commands / name
            path.write_text(f'#!/bin/sh\nexec {shlex.quote(python)}{meant} "$@"\n')
            path.chmod(0o755)
        self.environment["PATH"] = f"{commands}{os.pathsep}{self.environment['PATH']}"
        self.environment["PYTHONPATH"] = str(ROOT / "src")

    def read(self, page: str) -> None:
        """Type a page."""
        for block in blocks(page):
            self.see(block)
        self.stop()

    def see(self, block: Block) -> None:
        """Do what a reader does who comes to this block."""
        if block.mark("not") is not None:
            assert block.mark("not"), f"{block.where}: no reason is given"
            return
        name = block.mark("when")
        if name is not None:
            self._named[name] = block
            return
        self._do(block)
        then = block.mark("then")
        if then is not None:
            for name in then.split(", "):
                self._do(self._named[name])

    def stop(self) -> None:
        """Stop what serves."""
        if self._serving is not None:
            self._serving.stop()
            self._serving = None

    def _do(self, block: Block) -> None:
        if block.kind == "console":
            self._type_all(block)
        elif block.kind == "python":
            self._save(block)
        else:
            assert block.kind in ("json", "text"), f"{block.where}: {block.kind}?"

    def _save(self, block: Block) -> None:
        for name in block.names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._with_ports(block.text), encoding="utf-8")

    def _type_all(self, block: Block) -> None:
        needed = block.mark("with")
        if needed is not None and find(needed) is None:
            self.left_out.append(needed)
            return
        where, in_checkout = self.folder, block.mark("in the checkout") is not None
        if self.home is None and (in_checkout or block.mark("installs") is not None):
            return
        if self.home is not None and in_checkout:
            where = self.home / "src" / "postshake"
        typed = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block.text, re.M)
        assert typed, f"{block.where}: no line begins with $"
        for number, (command, shown) in enumerate(typed, 1):
            if block.mark("serves") is not None and number == len(typed):
                self._serve(block, command)
            else:
                self._type(block, where, command, shown)

    def _type(self, block: Block, where: Path, command: str, shown: str) -> None:
        wanted = [*shown.splitlines(), *filter(None, [block.mark("says")])]
        end = time.monotonic() + (ENDS if block.mark("patiently") is not None else 0)
        while True:
            done = self._run(command, where)
            missing = [line for line in wanted if not self._is_in(done.stdout, line)]
            if not missing or done.returncode != 0 or time.monotonic() > end:
                break
            time.sleep(0.2)
        told = f"{block.where}: $ {command}\n{done.stdout}\n{done.stderr}"
        if self._serving is not None:
            told += f"\n--- the server:\n{self._serving.log()}"
        assert done.returncode == 0, told
        assert not missing, f"not said: {missing}\n{told}"

    def _run(self, command: str, where: Path) -> subprocess.CompletedProcess[str]:
        terminal, fingers = os.pipe()  # which stay still: nothing comes, nor an end
        try:
            return subprocess.run(
                [require("sh"), "-c", self._script(command)],
                cwd=where,
                env=self.environment,
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=ENDS if self.home is None else 20 * ENDS,
            )
        finally:
            os.close(terminal)
            os.close(fingers)

    def _is_in(self, output: str, line: str) -> bool:
        """Whether a shown line was said; an ellipsis stands for what is different each time."""
        parts = [re.escape(part) for part in self._with_ports(line).split("…")]
        return re.search(".*".join(parts), output) is not None

    def _serve(self, block: Block, command: str) -> None:
        self.stop()
        script = self._script(command, last=True)
        self._serving = self.stage.program(
            require("sh"), "-c", f"cd {shlex.quote(str(self.folder))}; {script}",
            environment=self.environment,
        )  # fmt: skip
        end = time.monotonic() + ENDS
        while not any(listens(int(port)) for port in self.ports.values()):
            assert not self._serving.ended, f"{block.where}: $ {command}\n{self._serving.log()}"
            assert time.monotonic() < end, f"{block.where}: nobody listens\n{self._serving.log()}"
            time.sleep(0.05)

    def _script(self, command: str, *, last: bool = False) -> str:
        """Return shell text in which a command finds what the ones before it left behind."""
        state = shlex.quote(str(self._state))
        before = f"test ! -f {state} || . {state}; "
        typed = self._with_ports(command)
        if last:
            return f"{before}exec {typed.partition('  #')[0]}"
        return f"{before}{typed}\ncode=$?; export -p >{state}; exit $code"

    def _with_ports(self, text: str) -> str:
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        # the port that is meant where none is named
        return re.sub(r"(postshake serve)(?!.*--port)", rf"\1 --port {self.ports['4433']}", text)


def listens(port: int) -> bool:
    """Whether somebody listens; without a connection, which many a small example takes for real."""
    for name in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, _, state, *_ = row.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                return True
    return False
