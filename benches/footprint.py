"""What idle connections and imports cost, each measured in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benches.contest import Impossible, Measured
from benches.entrants import contestants

__all__ = ["IMPORTS", "import_times", "pair_sizes"]

_THEIRS = "import ssl, cryptography.x509"
IMPORTS = {
    "import": {"ours": "import postshake", "ssl": _THEIRS},
    "import, and a Connection": {
        "ours": "from postshake import ChainVerifier, ClientConfig, Connection, TrustStore; "
        "config = ClientConfig(verifier=ChainVerifier(TrustStore([]))); "
        "Connection(config, 'server.example')",
        "ssl": f"{_THEIRS}; "
        "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio("
        "ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname='server.example')",
    },
}
"""What is imported, by row; `ssl` and the certificates of `cryptography` are what it replaces."""

_IMPORT = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def import_times(times: int) -> dict[str, dict[str, Measured]]:
    """Import in fresh processes, by turns; milliseconds, by row and contestant."""
    results = {row: {name: Measured() for name in codes} for row, codes in IMPORTS.items()}
    with tempfile.TemporaryDirectory() as compiled:
        for number in range(times + 1):
            for row, codes in IMPORTS.items():
                for name, code in codes.items():
                    seconds = float(_python("-c", _IMPORT.format(code), compiled=compiled))
                    if number:  # the first compiles
                        results[row][name].samples.append(seconds * 1000)
    return results


def pair_sizes(names: list[str], pairs: int, times: int) -> dict[str, Measured]:
    """Hold many idle pairs; KiB that one of them adds to the process, both ends."""
    results = {name: Measured() for name in names}
    for _ in range(times):
        for name, measured in results.items():
            try:
                measured.samples.append(float(_python("-m", __spec__.name, name, str(pairs))))
            except (Impossible, ValueError) as reason:
                measured.impossible = str(reason)
    return results


def _python(*arguments: str, compiled: str | None = None) -> str:
    """Run a Python of the same kind, with our path; return what it prints.

    Args:
        arguments: of the interpreter.
        compiled: where compiled modules are kept, if not where they always are.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if compiled is not None:
        environment |= {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise Impossible(done.stderr.strip().rsplit("\n", 1)[-1])
    return done.stdout


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def _hold(name: str, pairs: int) -> float:
    (contestant,) = (each for each in contestants() if each.name == name)
    held = [contestant.idle() for _ in range(pairs // 4)]  # pools and caches fill up
    before = _resident()
    held += [contestant.idle() for _ in range(pairs)]
    return (_resident() - before) / pairs / 1024


if __name__ == "__main__":
    print(_hold(sys.argv[1], int(sys.argv[2])))
