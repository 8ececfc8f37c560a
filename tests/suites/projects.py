"""Which projects' tests we run, which of them, and what comes out otherwise with our module.

To move a project to another release, change its version and hash; `make suites` then tells
what else in its row is not true any more.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field

from tests.suites.sdists import Sdist

__all__ = ["PROJECTS", "Different", "Project"]


@dataclass(frozen=True)
class Different:
    """Tests that pass with the standard module and fail with ours.

    Args:
        section: the heading in docs/ssl.md that tells of it, with its hashes.
        why: what these tests ask for.
        tests: ends of their names, with what is in brackets or without.
        sometimes: whether they pass now and then all the same.
    """

    section: str
    why: str
    tests: tuple[str, ...]
    sometimes: bool = False


@dataclass(frozen=True)
class Project:
    """The tests of one project that have to do with TLS.

    Args:
        name: the project's.
        sdist: where its tests are; None for those that came with this Python.
        tests: files, classes or tests, as pytest takes them, below the sdist's folder or
            Python's `test`.
        chosen: which of them, as pytest's -k takes it.
        options: more arguments of pytest.
        path: folders of the sdist that go onto Python's path.
        compiled: whether the project itself must be a wheel.
        ini: pytest's settings, where the project has none.
        quiet: loggers that its own way of running the tests silences.
        left_out: why some tests are not run with either module, and what is in their names.
        different: what differs with our module.
    """

    name: str
    sdist: Sdist | None
    tests: tuple[str, ...]
    chosen: str = ""
    options: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    compiled: bool = False
    ini: str | None = None
    quiet: tuple[str, ...] = ()
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    different: tuple[Different, ...] = ()

    @property
    def version(self) -> str:
        """The release whose tests these are."""
        return self.sdist.version if self.sdist else platform.python_version()

    @property
    def selection(self) -> str:
        """Which tests are run, as pytest's -k takes it."""
        out = [name for names in self.left_out.values() for name in names]
        left = f"not ({' or '.join(out)})" if out else ""
        return " and ".join(filter(None, (self.chosen and f"({self.chosen})", left)))


NOT_THERE = "## What is not there"
TLS_UNIQUE = "looks at tls-unique"

PROJECTS = (
    Project(
        name="asyncio",
        sdist=None,
        tests=tuple(
            f"test_asyncio/test_{name}.py"
            for name in (
                *("ssl", "sslproto", "streams", "server", "sendfile"),
                *("events", "base_events", "selector_events", "unix_events"),
            )
        ),
        chosen="ssl or tls",
        ini="[pytest]\n",
    ),
    Project(
        name="http, ftp, pop, imap",
        sdist=None,
        tests=tuple(
            f"test_{name}.py"
            for name in ("httplib", "ftplib", "poplib", "imaplib", "urllib2_localnet")
        ),
        chosen="ssl or tls or https",
        ini="[pytest]\n",
        left_out={
            "they speak to machines elsewhere": ("test_networked", "RemoteIMAP"),
            "they take Python's hash functions away, which ours uses": ("cram_md5_blocked",),
        },
    ),
    Project(
        name="urllib3",
        sdist=Sdist(
            "urllib3",
            "2.8.0",
            "63bf2ead4c879426ebf22ef2a781eeb4aa3b4ae798a0435506f8687fd5bb9b63",
        ),
        tests=(
            "test/test_ssl.py",
            "test/test_ssltransport.py",
            "test/with_dummyserver/test_https.py",
            "test/with_dummyserver/test_socketlevel.py",
        ),
        options=("-m", "not requires_network"),
        path=("src", "."),
        left_out={
            "the server needs what only urllib3's own fork of hypercorn has": (
                "test_client_intermediate",
                "test_client_key_password",
                "test_alpn_default",
                "test_http2_probe",
            ),
        },
        different=(
            Different(
                "### A check of no name",
                "expects that wrap_bio lets it pass",
                ("SingleTLSLayerTestCase::test_start_closed_socket",),
            ),
            Different(
                "### Text where a record should be",
                "expects one of OpenSSL's texts",
                ("TestSSL::test_ssl_failure_midway_through_conn",),
            ),
        ),
    ),
    Project(
        name="trio",
        sdist=Sdist(
            "trio",
            "0.35.0",
            "7efb295c78a0ecd1235c5759e620b5da564ca80d2efcb0055423588547248b96",
        ),
        tests=("src/trio/_tests/test_ssl.py", "src/trio/_tests/test_highlevel_ssl_helpers.py"),
        path=("src",),
        different=(
            Different(NOT_THERE, "renegotiates", ("::test_renegotiation_simple",)),
            Different(
                NOT_THERE, TLS_UNIQUE, ("::test_get_channel_binding_after_handshake[tls13]",)
            ),
        ),
    ),
    Project(
        name="anyio",
        sdist=Sdist(
            "anyio",
            "4.16.0",
            "59bb03251907983d1603d27c3087ddb1e93299ea2163adcdba37899a4fb12ffb",
        ),
        tests=("tests/streams/test_tls.py", "tests/test_sockets.py"),
        chosen="tls or ssl",
        path=("src",),
        left_out={
            "the machine must call itself localhost in IPv6": ("ipv6",),
        },
        different=(
            Different(NOT_THERE, TLS_UNIQUE, ("TestTLSStream::test_extra_attributes",)),
            Different(
                NOT_THERE,
                f"{TLS_UNIQUE} in a task, which may fail too late to be seen",
                ("TestTLSListener::test_extra_attributes",),
                sometimes=True,
            ),
            Different(
                "### Files are read by Python",
                "watches for functions of Python that block, and sees none of OpenSSL's",
                (
                    "::test_connect_tcp_with_tls_cert_check_fail[asyncio-ipv4]",
                    "::test_connect_tcp_with_tls_cert_check_fail[asyncio+uvloop-ipv4]",
                ),
            ),
        ),
    ),
    Project(
        name="tornado",
        sdist=Sdist(
            "tornado",
            "6.6.1",
            "28e6311402af59c8b02e3fa0f5e7d8eb465b25081381803b127d97e6a4395d5a",
        ),
        tests=(
            "tornado/test/iostream_test.py::TestIOStreamWebHTTPS",
            "tornado/test/iostream_test.py::TestIOStreamSSL",
            "tornado/test/iostream_test.py::TestIOStreamSSLContext",
            "tornado/test/iostream_test.py::TestIOStreamStartTLS",
            "tornado/test/iostream_test.py::TestIOStreamCheckHostname",
            "tornado/test/httpserver_test.py::SSLTest",
            "tornado/test/httpserver_test.py::BadSSLOptionsTest",
            "tornado/test/httpserver_test.py::SSLXHeaderTest",
            "tornado/test/simple_httpclient_test.py::SimpleHTTPSClientTestCase",
            "tornado/test/simple_httpclient_test.py::TLSHandshakeTimeoutTestCase",
            "tornado/test/tcpclient_test.py",
        ),
        path=(".",),
        ini="[pytest]\npython_files = *_test.py\naddopts = -p no:logging\n",
        quiet=("tornado.access",),
        left_out={"a handshake may take 0.1 seconds": ("test_request_timeout",)},
    ),
    Project(
        name="cheroot",
        sdist=Sdist(
            "cheroot",
            "11.1.2",
            "bfb70c49663f63b0440f2b54dbc6b0d1650e56dfe4e2641f59b2c6f727b44aca",
        ),
        tests=("cheroot/test/test_ssl.py",),
        chosen="builtin",  # the others use pyOpenSSL
        path=(".",),
        ini="[pytest]\nmarkers = flaky\n",
    ),
    Project(
        name="aiohttp",
        sdist=Sdist(
            "aiohttp",
            "3.14.5",
            "5558a7f5a05af9ecf744af91e5baefc436f93c9333e656c27ec253f9a6bbe178",
        ),
        tests=tuple(
            f"tests/test_{name}.py"
            for name in (
                *("client_functional", "client_fingerprint", "client_ws_functional", "connector"),
                *("web_sendfile_functional", "run_app", "worker"),
            )
        ),
        chosen="ssl or tls or https or certificate or fingerprint",
        options=("-p", "aiohttp.pytest_plugin", "-W", "ignore::DeprecationWarning"),
        compiled=True,
        ini="[pytest]\nmarkers = skip_blockbuster\n",
    ),
    Project(
        name="uvloop",
        sdist=Sdist(
            "uvloop",
            "0.23.0",
            "28d160f51ab4da3b187063652e643dea6831072add4adc1e6d62afbe73b6be27",
        ),
        tests=("tests/test_tcp.py", "tests/test_unix.py", "tests/test_context.py"),
        chosen="UV and (ssl or tls)",
        compiled=True,
        different=(Different(NOT_THERE, "renegotiates", ("Test_UV_TCPSSL::test_renegotiation",)),),
    ),
)
