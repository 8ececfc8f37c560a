"""``python -m benches [--quick] [--full [--svg FILE]] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

# OpenSSL's defaults for every context of this process, ssl's and pyOpenSSL's. Neither
# has an API for the suites of TLS 1.3 in each version that we meet, nor pyOpenSSL one
# for the number of tickets.
OPENSSL_CONF = """\
openssl_conf = conf
[conf]
ssl_conf = ssl
[ssl]
system_default = tuned
[tuned]
Ciphersuites = TLS_AES_128_GCM_SHA256
NumTickets = 0
"""


def main() -> int:
    """Measure, print the table, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: shows that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--seconds", type=float, default=75.0, help="how long to measure times")
    parser.add_argument("--full", action="store_true", help="also how costs grow with numbers")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="with --full: draw that")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder, "openssl.cnf")
        conf.write_text(OPENSSL_CONF)
        os.environ["OPENSSL_CONF"] = str(conf)  # read when OpenSSL is first used, so before:
        from benches.cases import run
        from benches.plot import svg
        from benches.report import growth, table, to_json
        from benches.scaling import series

        results = run(seconds=arguments.seconds, quick=arguments.quick)
        print(table(results))
        figures = to_json(results)
        if arguments.full:
            grown = series(quick=arguments.quick)
            print("\n" + growth(grown))
            figures["scaling"] = [asdict(each) for each in grown]
            if arguments.svg is not None:
                arguments.svg.write_text(svg(grown))
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
