"""Certificates and keys that can be read once: named pipes, and ``/dev/fd`` of a shell's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import postshake.ssl as ours
from postshake.pki.hashed_folder import hashed_files
from postshake.ssl.engine_settings import engine_settings
from tests.sslmodule.ends import (
    MODULES,
    Memory,
    authority,
    ca_file,
    client_context,
    files,
    standard,
)
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes"),
    pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system has no /dev/fd"),
]
BOTH = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
CHAIN, KEY = (Path(path).read_bytes() for path in files())
ROOT = authority().pem()


class Pipes:
    """Makes pipes of one kind, each of which gives its data once."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._count = 0
        self._ends: list[int] = []

    def __call__(self, data: bytes) -> str:
        if self._kind == "/dev/fd":
            reading, writing = os.pipe()
            os.write(writing, data)  # less than what a pipe holds
            os.close(writing)
            self._ends.append(reading)
            return f"/dev/fd/{reading}"
        self._count += 1
        path = self._folder / f"pipe-{self._count}"
        os.mkfifo(path)
        threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
        return str(path)

    def close(self) -> None:
        for end in self._ends:
            os.close(end)


@pytest.fixture(params=["named", "/dev/fd"])
def pipe(request, tmp_path):
    pipes = Pipes(request.param, tmp_path)
    yield pipes
    pipes.close()


def in_time(function: Callable[[], Any]) -> Any:
    """Call this in a thread, so that one that waits for ever is seen."""
    came: list[Any] = []

    def call() -> None:
        try:
            came.append(function())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert came, "it waits for more from a pipe that was read"
    return came[0]


def serves(context: Any) -> bool:
    both = Memory(context, client_context(standard))
    return both.run(both.client.do_handshake, both.server.do_handshake) == [None, None]


@BOTH
@pytest.mark.parametrize("which", ["both", "chain", "key", "one for both", "one, named twice"])
def test_a_chain_and_its_key(module, which, pipe):
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    chain = pipe(CHAIN) if which in ("both", "chain") else files()[0]
    key: str | None = pipe(KEY) if which in ("both", "key") else files()[1]
    if which.startswith("one"):
        if module is standard:
            pytest.skip("the standard module opens it twice, and finds nothing or waits for ever")
        chain = pipe(CHAIN + KEY)
        key = chain if "twice" in which else None
    assert in_time(lambda: context.load_cert_chain(chain, key)) is None
    assert serves(context)


def test_what_is_wrong_is_told(pipe):
    context = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    for chain, key in (
        (pipe(b"nothing"), files()[1]),
        (pipe(CHAIN), pipe(b"nothing")),
        (pipe(CHAIN), files("other")[1]),
    ):
        said = in_time(partial(context.load_cert_chain, chain, key))
        assert isinstance(said, ours.SSLError)
    said = in_time(lambda: context.load_cert_chain(pipe(CHAIN), "/not/there"))
    assert isinstance(said, FileNotFoundError)


@BOTH
def test_trusted_certificates(module, pipe):
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    assert in_time(lambda: context.load_verify_locations(pipe(ROOT))) is None
    assert context.get_ca_certs(binary_form=True) == [authority().der]
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files())
    both = Memory(server, context)
    assert both.run(both.client.do_handshake, both.server.do_handshake) == [None, None]


@BOTH
def test_a_pipe_without_certificates(module, pipe):
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    said = in_time(lambda: context.load_verify_locations(pipe(b"nothing")))
    assert isinstance(said, module.SSLError)
    assert said.reason == "NO_CERTIFICATE_OR_CRL_FOUND"


def test_what_stands_beside_a_pipe_is_loaded_too(pipe, tmp_path):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    other = authority("Another CA")
    in_time(lambda: context.load_verify_locations(pipe(ROOT), cadata=other.der))
    assert sorted(context.get_ca_certs(binary_form=True)) == sorted([authority().der, other.der])


@BOTH
def test_the_environment_may_name_one(module, pipe, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", pipe(ROOT))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = in_time(module.create_default_context)
    assert context.get_ca_certs(binary_form=True) == [authority().der]
    if module is ours:
        assert engine_settings(context).trusted == [authority().der]


def test_a_folder_with_a_pipe_in_it_waits_for_nobody(tmp_path):
    os.mkfifo(tmp_path / "00000000.0")
    assert list(hashed_files(tmp_path)) == []
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    assert in_time(lambda: context.load_verify_locations(capath=str(tmp_path))) is None
    assert in_time(lambda: context.load_verify_locations(ca_file(), str(tmp_path))) is None


@BOTH
def test_a_key_log_may_go_into_a_pipe(module, monkeypatch):
    reading, writing = os.pipe()
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files())
    context.keylog_filename = f"/dev/fd/{writing}"
    assert serves(context)
    os.close(writing)
    del context
    with open(reading, "rb") as file:
        lines = file.read().splitlines()
    assert any(line.startswith(b"SERVER_TRAFFIC_SECRET_0 ") for line in lines)
