"""Who interoperates with us, and the page that says so.

``python -m tests.interop.matrix`` writes ``docs/peers.md``. Every cell has a test: a template
of its name in which ``{}`` is the peer, without its variants where all of them count. A cell
that says more than *yes* is what the peer does instead, and its test asserts that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGE", "QUIRKS", "TABLES", "Cell", "Table", "page"]

PAGE = Path(__file__).parent.parent.parent / "docs" / "peers.md"


@dataclass(frozen=True)
class Cell:
    """What a peer does, and the test that shows it."""

    test: str
    says: str = "yes"


@dataclass(frozen=True)
class Table:
    """What a heading claims, for some peers.

    Args:
        title: the heading.
        about: what the columns mean.
        columns: their heads.
        rows: by peer, a cell or None for what does not apply, one for each column.
    """

    title: str
    about: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[Cell | None, ...]]


def _row(file: str, peer: str, *cells: str | Cell | None) -> tuple[Cell | None, ...]:
    return tuple(
        Cell(f"{file}::{prefix(cell.test)}".format(peer), cell.says) if cell else None
        for cell in (Cell(cell) if isinstance(cell, str) else cell for cell in cells)
    )


def prefix(test: str) -> str:
    """Complete a name: ``accept`` to ``test_accept``, ``TestHttpd::accept`` alike."""
    head, _, tail = test.rpartition("::")
    return f"{head}::test_{tail}" if head else f"test_{tail}"


COMPRESSION = "test_compression.py"

REAUTH = (
    *("accepted", "three times", "declines", "declines three times"),
    *("declines what is required", "untrusted", "offers nothing"),
)
"""The columns of reauth."""

OUR_SERVER = "test_our_server.py"
LINES = (
    *("accept[{}-1-alice]", "accept[{}-3-alice]", "decline[{}-1]", "decline[{}-3]"),
    *("decline_and_be_closed[{}]", "refuse_and_close[{}]", "not_offered[{}]"),
)
ONCE = "its second answer is wrong"
WOLFSSL = (
    *(LINES[0], Cell("wolfssl_answers_once[alice]", ONCE)),
    *(LINES[2], Cell("wolfssl_answers_once[None]", ONCE), *LINES[4:]),
)
FETCHES = (
    *("fetch[{}-alice]", "fetch_three_times[{}-alice]"),
    *("fetch_declining[1-{}]", "fetch_declining[3-{}]"),
    *("fetch_declining_and_be_closed[{}]", "fetch_refused[{}]"),
)
GETS = (
    *("get[1-alice-{}]", "get[3-alice-{}]", "get_declining[1-{}]", "get_declining[3-{}]"),
    *("get_refused[None-certificate_required-{}]", "get_refused[mallory-unknown_ca-{}]"),
)
ALWAYS = "it always offers"

CLIENTS = {
    "openssl s_client": _row(OUR_SERVER, "SClient", *LINES),
    "gnutls-cli": _row(OUR_SERVER, "GnutlsCli", *LINES),
    "curl (OpenSSL)": _row(OUR_SERVER, "Curl", *FETCHES, Cell("fetch_declining[1-{}]", ALWAYS)),
    "wget (GnuTLS)": _row(OUR_SERVER, "Wget", *FETCHES, Cell("fetch_declining[1-{}]", ALWAYS)),
    "NSS tstclnt": _row(OUR_SERVER, "Tstclnt", *LINES),
    "CPython ssl": _row(OUR_SERVER, "CPythonClient", *LINES),
    "requests": _row(OUR_SERVER, "requests", *GETS, Cell("get_declining[1-{}]", ALWAYS)),
    "httpx": _row(OUR_SERVER, "httpx", *GETS, "httpx_does_not_offer_by_itself"),
    "tlslite-ng": _row(OUR_SERVER, "TlsliteClient", *LINES),
    "libgnutls, GNUTLS_AUTO_REAUTH": _row(OUR_SERVER, "LibgnutlsAutoClient", *LINES),
    "libgnutls, gnutls_reauth": _row(OUR_SERVER, "LibgnutlsManualClient", *LINES),
    "wolfSSL": _row(OUR_SERVER, "WolfClient", *WOLFSSL),
    "Firefox": _row(
        *("test_firefox.py", "", "accept[alice]", "accept[alice]", "decline", "decline"),
        *("decline", "refuse", "not_offered"),
    ),
}

OUR_CLIENT = "test_our_client.py"
LIBRARY = (
    *("accept[1-{}-alice]", "accept[3-{}-alice]", "decline[1-{}]", "decline[3-{}]"),
    *("decline_where_required[{}]", "refuse[{}]", "not_offered[{}]"),
)
REQUIRED = "[None-certificate_required]"
HTTPD_ONCE = Cell("{}::it_asks_once", "it asks once; then 403")
WOLF_ONCE = "it takes a second answer for wrong"

SERVERS = {
    "Apache httpd": _row(
        *(OUR_CLIENT, "TestHttpd", "{}::accept", HTTPD_ONCE, "{}::decline", HTTPD_ONCE),
        *(f"{{}}::refuse{REQUIRED}", "{}::refuse[mallory-unknown_ca]"),
        Cell("{}::not_offered", "403"),
    ),
    "CPython ssl": _row(OUR_CLIENT, "CPythonServer", *LIBRARY),
    "libgnutls": _row(OUR_CLIENT, "LibgnutlsServer", *LIBRARY),
    "wolfSSL": _row(
        *(OUR_CLIENT, "TestWolfServer", "{}::accept", Cell("{}::it_asks_once[alice]", WOLF_ONCE)),
        *("{}::decline", Cell("{}::it_asks_once[None]", WOLF_ONCE), f"{{}}::refuse{REQUIRED}"),
        *("{}::refuse[mallory-unknown_ca]", "{}::not_offered"),
    ),
    "NSS selfserv": _row(
        *(OUR_CLIENT, "TestSelfserv", "{}::accept", Cell("{}::it_asks_once", "it closes")),
        *("{}::decline", Cell("{}::it_asks_once", "it closes"), "{}::decline_where_required"),
        *("{}::refuse", Cell("{}::not_offered", "it closes")),
    ),
    "tlslite-ng": _row(
        *(OUR_CLIENT, "TlsliteServer", *LIBRARY[:5]),
        *(Cell("tlslite_takes_anybody", "it takes anybody"), LIBRARY[6]),
    ),
    "openssl s_server": _row(
        *(OUR_CLIENT, "TestSServer", "{}::accept[1-alice]", "{}::accept[3-alice]"),
        *("{}::decline[1]", "{}::decline[3]", Cell("{}::decline[1]", "it never requires")),
        *("{}::refuse", "{}::not_offered"),
    ),
    "gnutls-serv --echo": _row(
        *(OUR_CLIENT, "TestGnutlsServ", "{}::accept[1-alice]", "{}::accept[3-alice]"),
        *[Cell("{}::decline", "it always requires")] * 2,
        *("{}::decline", Cell("{}::refuse", "access_denied")),
        Cell("{}::not_offered", "internal_error"),
    ),
}

TLS12 = "test_tls12.py"
KEPT = ("[ticket]", "[session ID]")
OVER_12 = {
    "openssl s_client": _row(
        *(TLS12, "", "our_server_with_s_client", "a_clients_certificate"),
        *("a_client_without_a_certificate", *(f"s_client_comes_back{kept}" for kept in KEPT)),
    ),
    "openssl s_server": _row(
        *(TLS12, "", "our_client_with_s_server", "our_clients_certificate"),
        *("our_client_declines", *(f"our_client_comes_back{kept}" for kept in KEPT)),
    ),
    "gnutls-cli": _row(
        *(TLS12, "", "our_server_with_gnutls_cli", "a_clients_certificate"),
        *("gnutls_cli_without_a_certificate", *(f"gnutls_cli_comes_back{kept}" for kept in KEPT)),
    ),
    "gnutls-serv": _row(
        *(TLS12, "", "our_client_with_gnutls_serv", "our_clients_certificate"),
        "our_client_declines_and_gnutls_serv",
        *(f"our_client_comes_back_to_gnutls_serv{kept}" for kept in KEPT),
    ),
    "NSS tstclnt": _row(
        *(TLS12, "", "our_server_with_tstclnt", "tstclnts_certificate"),
        *("tstclnt_without_a_certificate", *(f"tstclnt_comes_back{kept}" for kept in KEPT)),
    ),
    "NSS selfserv": _row(
        *(TLS12, "", "our_client_with_selfserv", "our_clients_certificate_and_selfserv"),
        "our_client_declines_and_selfserv",
        *(f"our_client_comes_back_to_selfserv{kept}" for kept in KEPT),
    ),
    "curl": _row(TLS12, "", "curl[1.2]", "curl[1.2]", None, None, None),
    "CPython ssl, client": _row(
        TLS12, "", "cpython_client", "cpython_client", None, "cpython_client", None
    ),
    "CPython ssl, server": _row(
        TLS12, "", "cpython_server", "cpython_server", None, "cpython_server", None
    ),
}

SESSIONS = "test_sessions.py"
AGAIN = {
    "openssl s_client": _row(
        *(SESSIONS, "TestSClient", "{}::resume", "{}::b2_external_psk[False]"),
        *("{}::b2_external_psk[True]", "{}::early_data[True]", "{}::early_data[False]"),
    ),
    "openssl s_server": _row(
        *(SESSIONS, "TestSServer", "{}::resume", "{}::external_psk"),
        "{}::reauth_with_an_external_psk",
        *("{}::early_data[True]", "{}::early_data[False]"),
    ),
    "gnutls-cli": _row(
        *(SESSIONS, "TestGnutlsCli", "{}::resume", "{}::external_psk"),
        *("{}::reauth_with_an_external_psk", "{}::early_data[True]", "{}::early_data[False]"),
    ),
    "gnutls-serv": _row(
        *(SESSIONS, "TestGnutlsServ", "{}::resume[none]", "{}::external_psk"),
        *("{}::external_psk", "{}::resume[accepted]", "{}::resume[refused]"),
    ),
}

STARTTLS = "test_starttls.py"
IN_THE_CLEAR = {
    f"{name}, {protocol}": _row(
        *(STARTTLS, protocol.lower(), "connect[{}]"),
        *("connect_as_nobody[{}]" if known else None, library),
    )
    for name, protocol, known, library in (
        ("exim", "SMTP", True, "smtplib"),
        ("dovecot", "IMAP", True, "imaplib"),
        ("dovecot", "POP3", True, "poplib"),
        ("slapd", "LDAP", True, None),
        ("prosody", "XMPP", False, None),
    )
}

TABLES = (
    Table(
        "Reauth: their clients, our server",
        "The server asks after the handshake. *Untrusted*: a certificate of an authority that "
        "it does not trust; the client hears unknown_ca.",
        REAUTH,
        CLIENTS,
    ),
    Table(
        "Reauth: our client, their servers",
        "The same from the other side.",
        REAUTH,
        SERVERS,
    ),
    Table(
        "TLS 1.2",
        "Where there is no reauth: asked for, it is unavailable. curl is a client alone, so "
        "our client has no part in its row.",
        ("suites", "client certificate", "declines", "ticket", "session ID"),
        OVER_12,
    ),
    Table(
        "Resumption, PSKs and early data",
        "In TLS 1.3. Early data is *refused* where it can be: OpenSSL and GnuTLS by a ticket's "
        "age, we by configuration or by the guard against replay.",
        ("resumes", "external PSK", "and reauth", "0-RTT accepted", "0-RTT refused"),
        AGAIN,
    ),
    Table(
        "STARTTLS",
        "`postshake connect --starttls`, with a certificate in the handshake, of which the "
        "server then says whose it was (prosody knows nobody); and the standard library's "
        "clients with a context of `postshake.ssl`.",
        ("`postshake connect`", "as nobody", "smtplib, imaplib, poplib"),
        IN_THE_CLEAR,
    ),
)

QUIRKS = {
    "tlslite-ng compresses a client's certificate once more and hashes that: only who compresses "
    "as it does, with zlib at the usual level, can authenticate so.": (
        f"{COMPRESSION}::test_our_client_at_tlslite",
    ),
    "Firefox undoes zlib, Brotli and Zstandard on a server's certificate, Chromium Brotli alone.": (
        *(f"{COMPRESSION}::test_firefox_undoes", f"{COMPRESSION}::test_chromium_undoes"),
    ),
    "wolfSSL lets the transcript of a second reauth go on from the first, as client and as "
    "server. Its answer cannot be checked, and it can check nobody's: ask it once.": (
        *("test_peers.py::TestWolfSSL::test_answers_once", f"{OUR_SERVER}::test_wolfssl_answers"),
        *("test_peers.py::TestWolfSSL::test_asks_once", f"{OUR_CLIENT}::TestWolfServer::test_it"),
    ),
    "httpd cannot ask twice in a connection, so a page that requires what another one only "
    "wanted is a 403, with any client.": ("test_peers.py::TestHttpd::test_it_asks_once",),
    "OpenSSL answers a refused renegotiation by closing, and so does gnutls-serv.": (
        f"{TLS12}::test_our_client_tells_s_server_so_too",
        f"{TLS12}::test_our_client_refuses_to_renegotiate",
    ),
    "libgnutls shows only what the server's list of authorities names, if it has one.": (
        f"{OUR_SERVER}::test_libgnutls_shows_what_is_named",
    ),
    "OpenSSL and GnuTLS take early data with a ticket whose age does not fit for a replay, and "
    "refuse it: a client whose clock jumps sends it again.": (
        f"{SESSIONS}::TestSServer::test_early_data[False]",
        f"{SESSIONS}::TestGnutlsServ::test_resume[refused]",
    ),
    "NSS takes the certificate of a server with an RSA key only if it may encipher keys, also "
    "in TLS 1.3, where nobody does.": (f"{OUR_SERVER}::test_nss_wants_rsa_to_encipher",),
    "Python's ssl offers reauth only if post_handshake_auth is set, and so does httpx, which is "
    "given such a context. requests always offers it.": (
        f"{OUR_SERVER}::test_httpx_does_not_offer",
        f"{OUR_SERVER}::test_not_offered[CPythonClient]",
        f"{OUR_SERVER}::test_get_declining[1-requests]",
    ),
}
"""What one has to know about a peer, and the tests by the beginnings of their names."""

HEAD = """# Peers

What runs against us in every test run, with programs that nobody here wrote. *yes*: it works
and is tested. –: nobody tried. Anything else is what the peer does instead, which is asserted
too.

This page is written by `python -m tests.interop.matrix` and checked by
`tests/interop/test_matrix.py`, which finds the test behind every cell.

"""


def page() -> str:
    """Write the page."""
    parts = []
    for table in TABLES:
        lines = [f"## {table.title}", "", table.about, ""]
        lines.append(f"| | {' | '.join(table.columns)} |")
        lines.append("|---" * (len(table.columns) + 1) + "|")
        for peer, cells in table.rows.items():
            shown = " | ".join(cell.says if cell else "–" for cell in cells)
            lines.append(f"| {peer} | {shown} |")
        parts.append("\n".join(lines))
    quirks = "\n".join(f"- {text}" for text in QUIRKS)
    return HEAD + "\n\n".join([*parts, f"## What is peculiar\n\n{quirks}"]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
