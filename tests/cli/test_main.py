"""What a newcomer types first, and what goes wrong then."""

from __future__ import annotations

import json
from importlib.metadata import version

from tests.interop.program import free_port


def test_no_command_is_answered_with_all_of_them(run):
    done = run()
    assert done.returncode == 2
    for command in ("demo", "serve", "connect", "certs", "trace"):
        assert f"\n    {command} " in done.stderr
    assert "exit codes:" in done.stderr
    assert not done.stdout


def test_version(run):
    done = run("--version")
    assert done.returncode == 0
    assert f"postshake {version('postshake')}\n" in done.stdout
    assert f"cryptography {version('cryptography')}, OpenSSL" in done.stdout


def test_nobody_there(run):
    port = free_port()
    done = run("connect", f"localhost:{port}")
    assert done.returncode == 4
    assert done.stderr == (
        f"postshake: no connection to localhost port {port}: Connection refused\n"
    )
    told = json.loads(run("connect", f"localhost:{port}", "--json").stderr)
    assert told == {
        "event": "error",
        "message": f"no connection to localhost port {port}: Connection refused",
        "exit_code": 4,
    }


def test_a_port_that_is_none(run):
    done = run("connect", "localhost:99999")
    assert done.returncode == 2
    assert "with a port from 1 to 65535, got 'localhost:99999'" in done.stderr


def test_an_authority_that_nobody_knows(run, shared):
    """Whoever trusts only the system's is told how to trust others."""
    done = run("connect", f"localhost:{shared.port}")
    assert done.returncode == 1
    assert "does not lead to one of the" in done.stderr
    assert "(--cafile FILE says which authorities to trust instead)\n" in done.stderr
    assert "cafile" not in run("connect", f"localhost:{shared.port}", "--json").stderr


def test_a_port_that_is_taken(run, shared):
    done = run("serve", "--port", str(shared.port))
    assert done.returncode == 4
    assert "Address already in use" in done.stderr


def test_files_that_are_not_there(run):
    for arguments in (("trace", "nosuch"), ("serve", "nosuch")):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr == "postshake: nosuch: No such file or directory\n"
