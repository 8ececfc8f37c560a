"""The scenarios of reauthentication, what we make of each, and the page that lists them.

``python -m tests.session.scenarios`` writes ``docs/scenarios.md``. The first column of the
table is the number in the specification of reauth's behaviour; a verdict starts with

- ``same``: what GnuTLS does, and we too;
- ``ours``: we do otherwise, and say how;
- ``waits``: not before another part of postshake is there.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PAGE", "SCENARIOS", "find_tests", "page"]

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "scenarios.md"

TABLE = """
1 | post_handshake_auth is in ClientHello alone, and empty | same
2 | the server sees the offer in its flags | same
3 | four reauths in a row | same
4 | data before the answer is reported record by record | same
5 | the client declines, a certificate is required | same
6 | the client declines, a certificate is requested | same
7 | AUTO_REAUTH: the client only receives | same
8 | AUTO_REAUTH: declining what is required | same
9 | AUTO_REAUTH: declining what is requested | same
10 | reauth in an ECDHE-PSK session | same: GnuTLS then shows neither of both (B2)
11 | the same, declining what is required | same
12 | the same, declining what is requested | same
13 | the hellos of a PSK session | same
14 | nobody sets the flag | same
15 | a token that can make no signature of TLS 1.3, certificate required | same
16 | the same, certificate requested | same
17 | a ticket after reauth resumes as the authenticated client | same
18 | eight and sixteen such tickets | same
19 | no such ticket | same
20 | a splitting transport, AUTO_REAUTH, a retrieve function that declines | same
21 | an echo server, reauth on command, an OpenSSL client | same
22 | no reauth, no request | same
23 | the request is answered after the client's answer | same
24 | the client updates its keys before it answers | ours: accepted; GnuTLS's server dies (B3)
25 | an empty answer ends in an alert or in data | same
26 | a signature with a flipped bit | same
27 | TLS 1.2 has no reauth | same
28 | the client did not offer it | same
29 | the server did not want it | same
30 | nobody said whether a certificate is wanted | same
31 | a client without certificate credentials offers nothing | same
32 | a server without certificate credentials | ours: an error that does no harm, as the manual says
33 | a client that was not asked | same
34 | a client before the handshake | same
35 | a server in mid-handshake | ours: refused; GnuTLS ruins the handshake (B5)
36 | a server that may start early, too early | ours: refused, and we never start early
37 | a server that may start early, once complete | same
38 | REQUIRE turned into REQUEST before the answer | same
39 | REQUIRE turned into IGNORE before the answer | same; and turned back, nothing was lost
40 | after a HelloRetryRequest, twice | same
41 | every request has a context of its own | ours: 32 bytes, GnuTLS's have 12
42 | reauth again without reading what came | ours: GOT_APPLICATION_DATA again; GnuTLS dies (B6)
43 | the same, having read a part | ours: GOT_APPLICATION_DATA again (B6)
44 | data was read in part before reauth began | ours: GOT_APPLICATION_DATA, after the request (B6)
45 | receiving data while waiting | same
46 | receiving while the answer is on the wire | ours: AGAIN, and the answer is kept (B7)
47 | the answer comes in pieces | same
48 | the server updates its keys while waiting | same
49 | the server sends a ticket while waiting | same
50 | keys were updated in both directions before | same
51 | the client updates its keys between request and answer | ours: accepted (B3)
52 | data, request, data in one burst | same
53 | the same with AUTO_REAUTH | same
54 | the client takes its time | same
54a | a request comes while the client waits for a ticket | ours: told of; GnuTLS swallows it (B17)
54b | a client says goodbye with a request pending | same
55 | sending while the answer is half written | ours: queued behind the answer; GnuTLS loses it (B8)
56 | AUTO_REAUTH, blocked while writing | same
57 | a server blocked while it asks | same
58 | the client closes instead of answering | same
59 | the client sends a fatal alert instead | same
60 | user_canceled, and other warnings | ours: user_canceled is ignored, as RFC 9846 says
61 | one bit of the answer's ciphertext flipped | same
61a | an empty record before the answer | ours: passed over; GnuTLS dies (B16)
61b | reauth with flags | ours: INVALID_REQUEST
62 | Certificate: another context | same; one too long for the message is a decode_error
63 | Certificate: a wrong length | same
64 | Certificate: damaged, or another's | same
65 | CertificateVerify: a bit of the signature | same
66 | CertificateVerify: a scheme that was not offered | same
67 | CertificateVerify: a scheme that does not fit the key | same
68 | CertificateVerify: a length past the end | ours: decode_error; GnuTLS says internal_error
69 | Finished: a flipped bit; or it, or CertificateVerify, left out | same
70 | a request without signature_algorithms | ours: missing_extension
71 | a request with signature_algorithms twice | ours: illegal_parameter
72 | a request with an unknown extension | same
73 | a request for unknown schemes alone | same
74 | a request with a wrong length | ours: decode_error, when the request is received
75 | a request to a client that did not offer it | same
76 | a request from a client | same
77 | ChangeCipherSpec after the handshake | same
78 | the session's verify function comes before the credentials' | same
79 | a verify function refuses without a reason | same
80 | a verify function refuses with a code | same
81 | a verdict that takes time | same
82 | refused, and accepted after all | same
83 | refused, and the session goes on | ours: receiving works too
84 | nobody verifies | same
85 | verified by itself, and unknown | same; the exception knows the better alert unknown_ca (O12)
86 | verified by itself, right and wrong name | same
87 | verified by itself, and declined as may be | ours: 0; GnuTLS fails (B11)
88 | a verify function hears of a declining client | same
89 | another certificate than before | same
90 | another certificate than in the handshake | same
91 | TLS 1.2: the client changes its certificate | ours: refused, and no harm done
92 | TLS 1.2: the server changes its certificate | ours: refused, and no harm done
93 | TLS 1.2: another PSK or SRP user | ours: refused, and no harm done
94 | authenticated, then declined as may be | ours: 0; GnuTLS dies (B1)
95 | authenticated, then declined as may not be | same
96 | a bad signature after authentication | ours: the peer is who it was before (B4)
97 | refused, and then a ticket | ours: it is in no ticket; GnuTLS shows it (B4)
98 | external PSK, reauth, and a refusal | ours: heard, and seen; GnuTLS ignores both (B2)
98a | external PSK, reauth, and a ticket | ours: it works; GnuTLS fails (B2)
99 | an alert after the answer | same
100 | one certificate, no authority named | same
101 | one certificate, its authority named | same
102 | one certificate, another authority named | same
103 | two certificates, one authority named | same
104 | two certificates, no authority named | same
105 | an RSA certificate, schemes for PSS keys alone | same
106 | a certificate that may not sign | same
107 | the client's certificate compressed | same
108 | no compression in common | same
109 | a compressed certificate that is damaged | same; one that nobody asked for is unexpected
110 | an OCSP response with the client's certificate | same
111 | the server does not name its authorities | same
112 | how many tickets a server sends | same
113 | reauth sends no ticket | same
114 | a ticket from before reauth, then reauth | same
115 | a ticket from after reauth, then another client | same
116 | REQUIRE, and a ticket without a certificate | ours: such a ticket is refused (B10)
117 | key updates, own and the peer's, and corked | same
118 | a flood of key updates | ours: 32 in ten seconds, GnuTLS's limit is 8 in one
119 | keys are changed before they are worn | same, at the limit of RFC 8446
120 | rehandshake in TLS 1.3 | same
121 | handshake again in TLS 1.3 | same
122 | TLS 1.2: the server renegotiates | ours: refused, and no harm done
123 | TLS 1.2: and the client passes over it | ours: refused, and no harm done
123a | TLS 1.2: the client renegotiates, the server passes over it | ours: refused, and no harm done
123b | TLS 1.2: the client refuses | ours: refused, and no harm done
124 | TLS 1.2: renegotiating again and again | ours: refused, and no harm done
125 | TLS 1.2: renegotiation with AUTO_REAUTH | ours: refused, and no harm done
126 | TLS 1.2: the same over a splitting transport | ours: refused, and no harm done
127 | exporters do not change | same
"""

SCENARIOS: dict[str, tuple[str, str]] = {
    number: (title, verdict)
    for number, title, verdict in (
        map(str.strip, line.split("|")) for line in TABLE.strip().splitlines()
    )
}

HEAD = """# Scenarios of reauthentication

Every scenario known to us, what we make of it, and the test that shows it. *same*: as
GnuTLS does it. *ours*: we do otherwise, as said; B, D and O number what was found out about
GnuTLS. Each test runs with the client and the server
named: ours, or libgnutls itself.

This page is written by `python -m tests.session.scenarios` and checked by
`tests/session/test_scenarios.py`.

"""


@functools.cache
def find_tests() -> dict[str, list[tuple[str, str]]]:
    """Find the tests by scenario: each one's name, and the pairings that it runs with."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(HERE.glob("test_scenarios_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id.startswith("OUR_")
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and re.match(r"test_\d{3}", node.name):
                number = node.name.split("_")[1].lstrip("0")
                kinds = ", ".join(_pairings(node, constants)) or "ours-ours"
                found.setdefault(number, []).append((node.name, kinds))
    return found


def _pairings(node: ast.FunctionDef, constants: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pairings":
            if not decorator.args:
                yield from ("ours-ours", "ours-gnutls", "gnutls-ours")
            for argument in decorator.args:
                if isinstance(argument, ast.Starred):
                    yield from constants[ast.unparse(argument.value)]
                else:
                    yield ast.literal_eval(argument)


def page() -> str:
    """Write the page."""
    by_number = find_tests()
    lines = ["| # | what happens | verdict | tests | client-server |", "|---|---|---|---|---|"]
    for number, (title, verdict) in SCENARIOS.items():
        shown = by_number.get(number, [])
        names = "<br>".join(f"`{name}`" for name, _ in shown) or "–"
        kinds = "<br>".join(kinds for _, kinds in shown) or "–"
        lines.append(f"| {number} | {title} | {verdict} | {names} | {kinds} |")
    verdicts = [re.split("[:;,]", verdict)[0] for _, verdict in SCENARIOS.values()]
    counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in ("same", "ours", "waits"))
    return f"{HEAD}{len(SCENARIOS)} scenarios: {counts}.\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
