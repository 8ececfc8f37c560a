"""Hundreds of scripts, made of few ingredients."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

from tests.sslmodule import versions as of
from tests.sslmodule.scripts import Script

__all__ = ["SCRIPTS"]

RANGES: dict[str, tuple[str | None, str | None]] = {
    "any": (None, None),
    "1.2": ("TLSv1_2", "TLSv1_2"),
    "1.3": ("TLSv1_3", "TLSv1_3"),
}
BOTH = ("1.2", "1.3")
LOOK = ("shake", "facts", "c:read 1", "s:read 1")
TALK = (*LOOK, "c:write 5", "s:read 10", "s:write 7", "c:read 10")


def versions() -> Iterator[Script]:
    for server, client in product(RANGES, RANGES):
        yield Script(
            f"versions-{server}-{client}",
            {"versions": RANGES[server]},
            {"versions": RANGES[client]},
            TALK,
        )
    for option, end in product(("OP_NO_TLSv1_3", "OP_NO_TLSv1_2"), ("server", "client")):
        settings = {"options": (option,)}
        yield Script(
            f"versions-{option}-{end}",
            settings if end == "server" else {},
            settings if end == "client" else {},
            TALK,
        )
    yield Script(
        "versions-none", {}, {"options": ("OP_NO_TLSv1_3",), "versions": ("TLSv1_3", None)}, TALK
    )


def server_certificates() -> Iterator[Script]:
    kinds = (
        "good", "rsa", "p384", "ed25519", "other", "expired", "not yet", "unknown", "alone",
        "purpose", "any purpose", "below", "gap", "common",
    )  # fmt: skip
    for kind, version in product(kinds, BOTH):
        for verify, check in (
            ("REQUIRED", True),
            ("REQUIRED", False),
            ("OPTIONAL", False),
            ("NONE", False),
        ):
            yield Script(
                f"server-{kind}-{version}-{verify}-{'name' if check else 'any'}".replace(" ", "_"),
                {"shows": kind},
                {"verify": verify, "check": check, "versions": RANGES[version]},
            )
    for kind in ("good", "below", "alone", "expired"):
        yield Script(f"server-{kind}-trusts-nobody", {"shows": kind}, {"trusts": None})
        yield Script(f"server-{kind}-trusts-another", {"shows": kind}, {"trusts": "Another CA"})
    for flags in (
        ("VERIFY_X509_STRICT",),
        ("VERIFY_X509_PARTIAL_CHAIN",),
        ("VERIFY_CRL_CHECK_LEAF",),
    ):
        yield Script(f"server-{flags[0]}", {}, {"flags": flags})


def client_certificates() -> Iterator[Script]:
    kinds = (
        None, "alice", "alice rsa", "alice named", "alice expired", "alice not yet",
        "alice unknown", "alice alone", "alice purpose", "alice below", "alice gap",
    )  # fmt: skip
    for kind, verify, version in product(kinds, ("NONE", "OPTIONAL", "REQUIRED"), BOTH):
        yield Script(
            f"client-{kind}-{verify}-{version}".replace(" ", "_"),
            {"verify": verify},
            {"shows": kind, "versions": RANGES[version]},
            TALK,
        )


def names() -> Iterator[Script]:
    asked = {
        "wildcard": (
            "a.example.org", "A.Example.ORG", "example.org", "a.b.example.org", "a.example.org.",
        ),
        "names": ("a.example", "b.example", "c.example", "127.0.0.1", "::1", "127.0.0.2", "::2"),
        "common": ("localhost", "other"),
        "good": (
            "localhost", "LOCALHOST", "localhost.", "local", "", ".localhost", "127.0.0.1", None,
        ),
    }  # fmt: skip
    for kind, hosts in asked.items():
        for host in hosts:
            yield Script(f"name-{kind}-{host}", {"shows": kind}, {"name": host})
    for name in ("localhost", "other"):
        yield Script(
            f"name-no-common-{name}", {"shows": "common"}, {"name": name, "common names": False}
        )
    yield Script("name-none", {}, {"name": None, "check": False})
    yield Script("name-international", {"shows": "other"}, {"name": "bücher.example"})


def alpn() -> Iterator[Script]:
    lists: tuple[tuple[str, ...] | None, ...] = (
        None, (), ("h2",), ("http/1.1",), ("h2", "http/1.1"), ("http/1.1", "h2"), ("acme-tls/1",),
    )  # fmt: skip
    for version in BOTH:
        for server, client in product(lists, lists):
            if server == client == None:  # noqa: E711
                continue
            yield Script(
                f"alpn-{_list(server)}-{_list(client)}-{version}",
                {} if server is None else {"alpn": server},
                {"versions": RANGES[version]} | ({} if client is None else {"alpn": client}),
            )


def _list(names: tuple[str, ...] | None) -> str:
    return "unset" if names is None else "+".join(names) or "empty"


def sni() -> Iterator[Script]:
    answers: dict[str, Any] = {
        "none": None,
        "unrecognized": 112,
        "internal": 80,
        "raises": "raises",
        "text": "text",
        "another": {"shows": "wildcard"},
    }
    for (what, answer), version in product(answers.items(), BOTH):
        for name in ("localhost", "a.example.org"):
            yield Script(
                f"sni-{what}-{name}-{version}",
                {"sni": answer},
                {"name": name, "versions": RANGES[version]},
            )
    for version in BOTH:
        yield Script(
            f"sni-unnamed-{version}",
            {"sni": None},
            {"name": None, "check": False, "versions": RANGES[version]},
        )


def ciphers() -> Iterator[Script]:
    texts = (
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE+AESGCM", "HIGH",
        "DEFAULT", "nonsense", "",
    )  # fmt: skip
    only12 = {"versions": RANGES["1.2"]}
    for text in texts:
        yield Script(f"cipher-{text}", {"ciphers": text}, only12, ("shake", "cipher", "facts"))
        yield Script(
            f"cipher-client-{text}", {}, only12 | {"ciphers": text}, ("shake", "cipher", "facts")
        )
    for first, second in product(texts[:4], texts[:4]):
        yield Script(
            f"cipher-{first}-{second}",
            {"ciphers": first, "shows": ("good", "rsa")},
            only12 | {"ciphers": second},
            ("shake", "cipher", "facts"),
        )
    for whose, off in (("server", ()), ("client", ("OP_CIPHER_SERVER_PREFERENCE",))):
        for first, second in permutations(texts[:3], 2):
            yield Script(
                f"cipher-{whose}-first-{first}-{second}",
                {"ciphers": f"{first}:{second}", "no options": off},
                only12 | {"ciphers": f"{second}:{first}"},
                ("shake", "cipher", "facts"),
            )
    for curve in ("prime256v1", "secp384r1", "X25519", "nonsense"):
        for version in BOTH:
            yield Script(
                f"curve-{curve}-{version}", {"curve": curve}, {"versions": RANGES[version]}
            )


def levels() -> Iterator[Script]:
    """Security levels, which `set_ciphers` takes in passing."""
    for level, kind, version in product((1, 3, 4, 5), ("good", "rsa", "p384"), BOTH):
        settings = {"ciphers": f"DEFAULT:@SECLEVEL={level}"}
        versions = {"versions": RANGES[version]}
        for end in ("server", "client"):
            yield Script(
                f"level-{level}-{end}-{kind}-{version}",
                {"shows": kind} | (settings if end == "server" else {}),
                versions | (settings if end == "client" else {}),
                ("shake",),
            )
        yield Script(
            f"level-{level}-alice-{kind}-{version}",
            {"verify": "REQUIRED"} | settings,
            versions | {"shows": {"good": "alice"}.get(kind, "alice rsa")},
            ("shake",),
        )


def algorithms() -> Iterator[Script]:
    """What Python 3.15 can choose: groups, signature algorithms, suites of TLS 1.3."""
    if not of.CHOOSES_ALGORITHMS:
        return
    steps = ("shake", "algorithms")
    groups = ("P-256", "p-384:X25519", "X448", "secp521r1", "X25519MLKEM768", "nonsense", "DEFAULT")
    for server, client in product(groups, groups):
        if server == "DEFAULT" and ":" in client:  # which of two is taken is for the server
            continue
        yield Script(
            f"algorithms-groups-{server}-{client}",
            {"groups": server},
            {"groups": client, "versions": RANGES["1.3"]},
            steps,
        )
    suites = (
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256", "", "x",
    )  # fmt: skip
    for server, client in product(suites, suites):
        yield Script(
            f"algorithms-suites-{server}-{client}",
            {"suites": server},
            {"suites": client},
            (*steps, "cipher"),
        )
    schemes = ("rsa_pss_rsae_sha256", "PSS+SHA384:RSA+SHA384", "ed25519", "nonsense", "")
    for which, server, client, version in product(
        ("server schemes", "client schemes"), schemes, schemes, BOTH
    ):
        yield Script(
            f"algorithms-{which}-{server}-{client}-{version}".replace(" ", "_"),
            {"shows": "rsa", "verify": "OPTIONAL", which: server},
            {"shows": "alice rsa", "versions": RANGES[version], which: client},
            (*steps, "c:write 1", "s:read 1", "algorithms"),
        )


# each after a handshake, with either end in the part of "c"
CLOSINGS: dict[str, tuple[str, ...]] = {
    "both": ("c:unwrap", "s:read 1", "s:unwrap", "c:unwrap"),
    "crossing": ("c:unwrap", "s:unwrap", "c:unwrap", "s:unwrap"),
    "data-before": ("s:write 5", "c:unwrap", "c:read 10", "c:unwrap"),
    "data-crossing": ("s:write 5", "c:unwrap", "s:unwrap", "c:unwrap", "c:read 10", "c:unwrap"),
    "half": ("c:unwrap", "s:read 1", "s:write 5", "c:read 10", "s:unwrap", "c:unwrap"),
    "write-after": ("c:unwrap", "c:write 5", "c:read 5"),
    "read-after": ("c:unwrap", "s:unwrap", "c:read 5", "c:read 5"),
    "read-of-reader": ("c:unwrap", "s:read 5", "s:read 5", "s:read 5"),
    "last-words": ("c:write 5", "c:unwrap", "s:read 10", "s:read 10", "s:unwrap"),
    "cut": ("c:eof", "c:read 5", "c:read 5"),
    "cut-after-data": ("s:write 5", "c:eof", "c:read 3", "c:read 3", "c:read 3"),
    "cut-unwrap": ("c:eof", "c:unwrap"),
    "cut-after-goodbye": ("c:unwrap", "c:eof", "c:unwrap"),
    "cut-write": ("c:eof", "c:write 5", "s:read 10"),
    "cut-after-their-goodbye": ("s:unwrap", "c:eof", "c:read 5", "c:unwrap"),
    "noise": ("c:noise 32", "c:read 5", "c:read 5", "c:write 5", "s:read 5", "s:read 5"),
    "noise-after-data": ("s:write 5", "c:noise 32", "c:read 5", "c:read 5"),
    "text": ("c:text", "c:read 5", "c:write 5", "c:unwrap"),
    "shake-again": ("c:shake", "s:shake", "c:write 5", "s:read 10"),
}


# an end without a goodbye is an end, as it is by default in Python 3.11.2 with OpenSSL 3
IGNORING: dict[str, Any] = {"options": ("OP_IGNORE_UNEXPECTED_EOF",)}


def closings() -> Iterator[Script]:
    for (what, steps), version in product(CLOSINGS.items(), BOTH):
        for swapped in (False, True):
            turned = tuple(
                step.translate(str.maketrans("cs", "sc"))[0] + step[1:] for step in steps
            )
            yield Script(
                f"close-{what}-{'server' if swapped else 'client'}-{version}",
                {},
                {"versions": RANGES[version]},
                ("shake", "c:read 1", "s:read 1", *(turned if swapped else steps)),
            )
            if what.startswith("cut"):
                yield Script(
                    f"close-{what}-ignored-{'server' if swapped else 'client'}-{version}",
                    IGNORING,
                    {"versions": RANGES[version], **IGNORING},
                    ("shake", "c:read 1", "s:read 1", *(turned if swapped else steps)),
                )
    for what, steps in {
        "unwrap": ("c:unwrap", "s:unwrap"),
        "cut": ("c:eof", "c:shake", "c:shake"),
        "cut-server": ("s:eof", "s:shake", "s:shake"),
        "cut-between": ("c:shake", "s:shake", "c:eof", "c:shake", "c:shake"),
        "text-server": ("s:text", "s:shake", "s:shake", "c:shake"),
        "text-client": ("c:shake", "c:text", "c:shake", "c:shake"),
        "noise-server": ("s:noise 32", "s:shake"),
        "noise-client": ("c:shake", "c:noise 32", "c:shake"),
        "read": ("c:read 5", "s:read 5", "c:read 5", "s:read 5", "c:read 5", "s:read 5"),
        "write": ("c:write 5", "s:write 5", "c:write 5", "s:write 5", "c:read 9", "s:read 9"),
        "questions": ("facts", "c:certificate", "c:version", "c:pending", "cipher", "binding"),
    }.items():
        for version in BOTH:
            client = {"versions": RANGES[version]}
            yield Script(f"early-{what}-{version}", {}, client, steps)
            if what.startswith("cut"):
                yield Script(f"early-{what}-ignored-{version}", IGNORING, client | IGNORING, steps)


READINGS: dict[str, tuple[str, ...]] = {
    "nothing": ("c:read 0", "c:read 1", "c:pending"),
    "negative": ("c:read -1",),
    "pieces": ("s:write 10", "c:read 3", "c:pending", "c:read 3", "c:read 99", "c:read 1"),
    "two-records": ("s:write 5", "s:write 5", "c:read 99", "c:read 99", "c:read 99"),
    "pending-after-one": ("s:write 9", "s:write 9", "c:pending", "c:read 4", "c:pending"),
    "empty": ("s:write 0", "c:read 5"),
    "a-record-and-more": ("s:write 16385", "c:read 99999", "c:read 99999", "c:read 99999"),
    "much": ("s:write 300000", "c:all 10000"),
    "into": ("s:write 10", "c:into 4 8", "c:into 0 8", "c:into 20 8", "c:into 4 8"),
    "into-larger": ("s:write 10", "c:into 100 4", "c:into 100 4", "c:into 100 4"),
    "both-ways": ("s:write 5", "c:write 6", "c:read 9", "s:read 9", "s:read 9", "c:read 9"),
}


def reading() -> Iterator[Script]:
    for (what, steps), version in product(READINGS.items(), BOTH):
        yield Script(f"read-{what}-{version}", {}, {"versions": RANGES[version]}, ("shake", *steps))


def sessions() -> Iterator[Script]:
    once = ("shake", "s:write 3", "c:read 3", "c:session")
    again = ("again", "shake", "facts", "s:write 3", "c:read 3")
    for version in BOTH:
        client: dict[str, Any] = {"versions": RANGES[version]}
        yield Script(f"session-{version}", {}, client, (*once, *again))
        yield Script(f"session-twice-{version}", {}, client, (*once, *again, *again))
        yield Script(f"session-unread-{version}", {}, client, ("shake", *again))
        for verify in ("OPTIONAL", "REQUIRED"):
            yield Script(
                f"session-alice-{verify}-{version}",
                {"verify": verify},
                client | {"shows": "alice"},
                (*once, *again),
            )
        yield Script(
            f"session-no-ticket-{version}", {"options": ("OP_NO_TICKET",)}, client, (*once, *again)
        )
    for tickets in (0, 1, 3):
        yield Script(f"session-{tickets}-tickets", {"tickets": tickets}, {}, (*once, *again))


def later() -> Iterator[Script]:
    """Post-handshake authentication, as the standard library has it."""
    asked = (
        "shake", "facts", "s:ask", "s:write 1", "c:read 1", "c:read 1", "s:read 1", "facts",
        "c:write 2", "s:read 5", "c:read 1",
    )  # fmt: skip
    for kind in (None, "alice", "alice rsa", "alice expired", "alice unknown", "alice below"):
        for verify in ("OPTIONAL", "REQUIRED", "NONE"):
            yield Script(
                f"later-{kind}-{verify}".replace(" ", "_"),
                {"verify": verify, "later": True},
                {"shows": kind, "later": True},
                asked,
            )
    for server, client in ((True, False), (False, True), (False, False)):
        yield Script(
            f"later-{server}-{client}",
            {"verify": "REQUIRED", "later": server},
            {"shows": "alice", "later": client},
            asked,
        )
    settings = {"shows": "alice", "later": True}
    strict = {"verify": "REQUIRED", "later": True}
    yield Script("later-1.2", strict, settings | {"versions": RANGES["1.2"]}, asked)
    yield Script("later-client-asks", strict, settings, ("shake", "c:ask"))
    yield Script("later-before", strict, settings, ("s:ask", "c:ask"))
    yield Script(
        "later-twice",
        strict,
        settings,
        (*asked, "s:ask", "s:write 1", "c:read 1", "c:read 1", "s:read 1", "facts"),
    )
    yield Script(
        "later-data-first",
        strict,
        settings,
        (
            "shake",
            "s:ask",
            "s:write 1",
            "c:write 4",
            "s:read 9",
            "c:read 1",
            "s:read 1",
            "s:certificate",
        ),
    )


def mixtures(count: int = 250) -> Iterator[Script]:
    """Everything at once, by chance, and always the same."""
    chance = random.Random(8446)
    for number in range(count):
        server: dict[str, Any] = {
            "shows": chance.choice(["good"] * 6 + ["rsa", "p384", "below", "other", "expired"]),
            "verify": chance.choice(["NONE", "OPTIONAL", "REQUIRED"]),
            "versions": RANGES[chance.choice(["any", "any", "1.2", "1.3"])],
        }
        client: dict[str, Any] = {
            "shows": chance.choice([None, "alice", "alice", "alice rsa", "alice unknown"]),
            "versions": RANGES[chance.choice(["any", "any", "1.2", "1.3"])],
        }
        if chance.random() < 0.4:
            server["alpn"] = chance.sample(["h2", "http/1.1", "x"], 2)
            client["alpn"] = chance.sample(["h2", "http/1.1", "y"], 2)
        if chance.random() < 0.2:
            server["sni"] = chance.choice([None, None, 112, {"shows": "rsa"}])
        if chance.random() < 0.2:
            client["check"] = False
            client["verify"] = chance.choice(["NONE", "OPTIONAL"])
        steps = []
        for _ in range(chance.randrange(2, 10)):
            end = chance.choice("sc")
            steps.append(
                f"{end}:"
                + chance.choice(
                    ["write 5", "write 20000", "all 99", "read 3", "all 30000", "into 2 20",
                     "write 0", "certificate", "session", "version"]
                    + ["unwrap"] * (chance.random() < 0.3)
                    + ["eof"] * (chance.random() < 0.1)
                )
            )  # fmt: skip
        yield Script(f"mixture-{number}", server, client, ("shake", "facts", *steps))


SCRIPTS: list[Script] = [
    script
    for make in (
        versions, server_certificates, client_certificates, names, alpn, sni, ciphers, levels,
        algorithms, closings, reading, sessions, later, mixtures,
    )
    for script in make()
]  # fmt: skip
