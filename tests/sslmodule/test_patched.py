"""gevent and eventlet: the module works below them, or says what to do.

Each program runs in a process of its own, for what they change cannot be changed back.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sslmodule.ends import ca_file, files
from tests.waiting import PATIENCE

PATCHED = """
import sys
from gevent import monkey; monkey.patch_all()
import socket
import gevent
import postshake.ssl as ssl

server_cert, server_key, client_cert, client_key, ca = sys.argv[1:]
serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
serving.load_cert_chain(server_cert, server_key)
calling = ssl.create_default_context(cafile=ca)
calling.load_cert_chain(client_cert, client_key)
calling.post_handshake_auth = True
listener = socket.create_server(("127.0.0.1", 0))


def call():
    sock = socket.create_connection(listener.getsockname())
    return calling.wrap_socket(sock, server_hostname="localhost")


def lets_others_run(function, *arguments):
    others = []
    gevent.spawn(others.append, "ran")
    try:
        return function(*arguments)
    finally:
        print("meanwhile", others)
"""

STEPS_UP = """
from gevent.event import Event
everybody, inside, done = Event(), [], []

def serve(sock):
    with serving.wrap_socket(sock, server_side=True) as connection:
        assert connection.recv(2) == b"go"
        inside.append(connection)
        if len(inside) == 4:
            everybody.set()
        identity = connection.reauth(within=50)  # its client waits for three others
        connection.sendall(identity.common_name.encode())
        assert connection.unwrap() is connection

def visit():
    with call() as connection:
        connection.sendall(b"go")
        everybody.wait()
        done.append(connection.recv(100))
        assert connection.recv(1) == b""
        connection.unwrap()

def accept():
    return [gevent.spawn(serve, listener.accept()[0]) for _ in range(4)]

accepting = gevent.spawn(accept)
visits = [gevent.spawn(visit) for _ in range(4)]
gevent.joinall([accepting, *visits], raise_error=True)
gevent.joinall(accepting.value, raise_error=True)
import ssl as standard
print(done, *(isinstance(inside[0], module.SSLSocket) for module in (ssl, standard)))
"""

MUCH = """
size = 5_000_000
names = []
serving.sni_callback = lambda sock, name, context: names.append((type(sock) is ssl.SSLSocket, name))

def serve():
    with serving.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.sendall(bytes(size))
        received = 0
        while received < size:
            received += len(connection.recv(65536))
        return received

server = gevent.spawn(serve)
with call() as connection:
    received = 0
    while received < size:
        received += len(connection.recv(65536))
    connection.sendall(bytes(size))
    print(server.get(), received, names)
"""

DEADLINES = """
def attempt(function, *arguments):
    try:
        lets_others_run(function, *arguments)
    except Exception as error:
        print(type(error).__name__, isinstance(error, TimeoutError))

silent = socket.create_connection(listener.getsockname())
serving.handshake_timeout = 0.3
attempt(lambda: serving.wrap_socket(listener.accept()[0], server_side=True))

serving.handshake_timeout = 60
client = gevent.spawn(call)
connection = serving.wrap_socket(listener.accept()[0], server_side=True)
other = client.get()
attempt(lambda: connection.reauth(within=0.3))
connection.settimeout(0.3)
attempt(lambda: connection.recv(1))
connection.setblocking(False)
try:
    connection.recv(1)
except ssl.SSLWantReadError:
    print("would wait")
connection.setblocking(True)
gevent.spawn(other.sendall, b"late")
print(connection.recv(4))
"""

WEB = """
import urllib.request
from gevent.pywsgi import WSGIServer

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.url_scheme"].encode()]

server = WSGIServer(("127.0.0.1", 0), application, ssl_context=serving, log=None)
server.start()
url = f"https://localhost:{server.server_port}/"
with urllib.request.urlopen(url, context=calling) as response:
    print(response.read())
server.stop()
"""

IMPORTED_FIRST = """
import sys
import postshake.ssl as ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
{patch}
for setting, value in (("verify_mode", 0), ("minimum_version", 771), ("maximum_version", 772),
                       ("options", 0), ("verify_flags", 0)):
    setattr(context, setting, value)  # the standard class recurses here without an end
import socket
ends = socket.socketpair()
for attempt in (
    lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
    lambda: context.wrap_socket(ends[0]),
):
    try:
        attempt()
    except RuntimeError as error:
        print(error)
"""


def run(program: str, *arguments: str) -> tuple[str, str]:
    """Run this in a process of its own; what it printed, and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip()


def run_patched(program: str) -> str:
    """Run this where gevent has patched everything; what it printed."""
    pytest.importorskip("gevent", reason="gevent has no wheels for this Python")
    certificates = (*files(), *files("alice", purpose="client"), ca_file())
    said, complaint = run(PATCHED + program, *certificates)
    assert complaint == ""
    return said


def test_clients_step_up_while_others_wait_for_it() -> None:
    assert run_patched(STEPS_UP) == f"{[b'alice'] * 4} True True"


def test_much_goes_through_both_ways() -> None:
    assert run_patched(MUCH) == "5000000 5000000 [(True, 'localhost')]"


def test_whatever_waits_with_a_deadline_lets_others_run() -> None:
    lines = run_patched(DEADLINES).splitlines()
    assert lines == [
        "meanwhile ['ran']", "TimeoutError True",
        "meanwhile ['ran']", "ReauthExpired True",
        "meanwhile ['ran']", "TimeoutError True",
        "would wait", "b'late'",
    ]  # fmt: skip


def test_the_web_server_of_gevent_takes_our_context() -> None:
    assert run_patched(WEB) == "b'https'"


def test_patching_by_gevent_after_the_import_is_an_error_that_says_what_to_do() -> None:
    pytest.importorskip("gevent", reason="gevent has no wheels for this Python")
    said, complaint = run(
        IMPORTED_FIRST.format(patch="from gevent import monkey; monkey.patch_all()")
    )
    assert complaint == ""
    assert said.splitlines() == 2 * [
        "gevent has patched ssl after postshake.ssl was imported: call "
        "gevent.monkey.patch_all() first, before anything else is imported"
    ]


def test_patching_by_eventlet_after_the_import_is_an_error() -> None:
    pytest.importorskip("eventlet", reason="eventlet does not run on this Python")
    said, complaint = run(IMPORTED_FIRST.format(patch="import eventlet; eventlet.monkey_patch()"))
    assert complaint == ""
    assert said.splitlines() == 2 * [
        "eventlet has patched ssl after postshake.ssl was imported: it does not work with that"
    ]


def test_where_eventlet_has_patched_it_cannot_be_imported() -> None:
    pytest.importorskip("eventlet", reason="eventlet does not run on this Python")
    _, complaint = run("import eventlet; eventlet.monkey_patch()\nimport postshake.ssl")
    assert complaint.splitlines()[-1].startswith(
        "ImportError: postshake.ssl does not work where eventlet has patched ssl"
    )


TRUSTSTORE = "import truststore; truststore.inject_into_ssl()\n"


def test_behind_contexts_that_verify_otherwise_it_cannot_be_imported() -> None:
    """Else connections would be OpenSSL's, while the program believes them ours."""
    pytest.importorskip("truststore")
    _, complaint = run(TRUSTSTORE + "import postshake.ssl")
    assert complaint.splitlines()[-1].startswith(
        "ImportError: truststore has replaced ssl.SSLContext: import postshake.ssl before"
    )


def test_contexts_of_ours_work_on_when_those_of_the_standard_module_are_replaced() -> None:
    pytest.importorskip("truststore")
    said, complaint = run(
        "import postshake.ssl as ssl\n" + TRUSTSTORE + "context = ssl.create_default_context()\n"
        "context.check_hostname = False\n"
        "context.verify_mode = ssl.CERT_NONE\n"
        "context.options |= ssl.OP_NO_TICKET\n"
        "print(type(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())) is ssl.SSLObject)\n"
    )
    assert (said, complaint) == ("True", "")


@pytest.mark.parametrize(
    "program",
    [
        "import truststore; print(truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT).protocol.name)",
        "from paho.mqtt.client import Client, CallbackAPIVersion\n"
        "client = Client(CallbackAPIVersion.VERSION2)\n"
        "client.tls_set_context(ssl.create_default_context())\n"
        "print(client._ssl_context.protocol.name)",
    ],
    ids=["truststore", "paho-mqtt"],
)
def test_programs_can_be_imported_where_ours_stands_in_for_the_standard_module(
    program: str,
) -> None:
    pytest.importorskip("truststore")
    stand_in = "import sys\nimport postshake.ssl as ssl\nsys.modules['ssl'] = ssl\n"
    assert run(stand_in + program) == ("PROTOCOL_TLS_CLIENT", "")
