"""Fuzz every decoder, and live connections: ``python -m tests.fuzz --seconds 600``.

The time is shared among the targets, which run in groups. What each group has learned is kept
under ``build/fuzz``, and begun with the next time; inputs that broke something are there, too.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.run import chosen
from tests.fuzz.target import Target

Groups = dict[str, list[Target]]

LONGEST = 4096  # bytes of an input
SLOWEST = 20  # seconds that one input may take, on a machine that does other things too
MEMORY = 1500  # megabytes
START = 300  # seconds for a process to begin and to end, beside its time


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="in all (600)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (1)")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--list", action="store_true", help="print the groups and their targets")
    parser.add_argument("--module", default="tests.fuzz.targets", help="where the targets are")
    parser.add_argument("groups", metavar="GROUP", nargs="*", help="these alone")
    options = parser.parse_args()
    groups: Groups = importlib.import_module(options.module).GROUPS
    unknown = [name for name in options.groups if name not in groups]
    if unknown:
        parser.error(f"expected {', '.join(map(repr, groups))}, got {unknown[0]!r}")
    if options.list:
        for name, targets in groups.items():
            print(f"{name}:", *(f"  {target.name}" for target in targets), sep="\n")
        return 0
    weights = {
        name: sum(target.weight for target in groups[name]) for name in options.groups or groups
    }
    share = options.seconds * options.jobs / sum(weights.values())
    with ThreadPoolExecutor(options.jobs) as pool:
        done = [
            pool.submit(fuzz, options, name, groups[name], max(1, round(share * weight)))
            for name, weight in weights.items()
        ]
        broken = sum(each.result() for each in done)
    print(f"{len(done)} groups of targets, {broken} of them broken")
    return 1 if broken else 0


def fuzz(options: argparse.Namespace, name: str, targets: list[Target], seconds: int) -> bool:
    """Fuzz one group; return whether anything broke it."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
    corpus, faults = options.folder / "corpus" / slug, options.folder / "found" / slug
    for each in (corpus, faults):
        each.mkdir(parents=True, exist_ok=True)
    plant(targets, corpus)
    command = [sys.executable, "-m", "tests.fuzz.run", options.module, name, str(corpus)]
    command += [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}"]
    command += [f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={faults}{os.sep}"]
    command += ["-print_final_stats=1", "-verbosity=0"]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10 * seconds + START, errors="replace"
        )
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        code, said = -1, str(late)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", said)
    took = time.monotonic() - began
    print(f"{name}: {runs[1] if runs else 'no'} runs in {took:.0f} s, code {code}", flush=True)
    if code:
        print(said[-6000:])
        for path in sorted(faults.iterdir()):
            data = path.read_bytes()
            print(f"{path}: for {chosen(targets, data).name!r}" if data else path)
    return code != 0


def plant(targets: list[Target], corpus: Path) -> None:
    """Put the seeds where the fuzzer begins."""
    for index, target in enumerate(targets):
        for seed in target.seeds():
            data = bytes((index,)) + seed
            path = corpus / hashlib.sha256(data).hexdigest()[:32]
            if not path.exists():
                path.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
