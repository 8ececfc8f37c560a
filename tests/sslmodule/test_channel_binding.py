"""`get_channel_binding`, held against the standard module's and against the other end."""

from __future__ import annotations

import hashlib
import ssl as standard
from pathlib import Path

import pytest

from tests.sslmodule.ends import ROLES, Memory, client_context, files, ours, server_context

KINDS = ("tls-exporter", "tls-server-end-point", "tls-unique")


def contexts(server, client, version="TLSv1_2"):
    made = server_context(server), client_context(client)
    made[1].maximum_version = getattr(standard.TLSVersion, version)
    return made


def bindings(both: Memory, kind: str) -> list[bytes | None]:
    return [end.get_channel_binding(kind) for end in (both.client, both.server)]


@ROLES
def test_tls_unique_is_the_standard_module_s(server, client):
    serving, calling = contexts(server, client)
    first = Memory(serving, calling)
    assert bindings(first, "tls-unique") == [None, None]
    first.handshake()
    told = bindings(first, "tls-unique")
    assert told[0] == told[1]
    assert len(told[0]) == 12
    # the server's Finished comes first here
    again = Memory(serving, calling)
    again.client.session = first.client.session
    again.handshake()
    assert again.client.session_reused
    resumed = bindings(again, "tls-unique")
    assert resumed[0] == resumed[1] != told[0]
    assert len(resumed[0]) == 12


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_which_kinds_there_are(version):
    assert sorted([*ours.CHANNEL_BINDING_TYPES, "tls-unique"]) == sorted(KINDS)
    both = Memory(*contexts(ours, ours, version))
    for kind in KINDS:
        assert bindings(both, kind) == [None, None]
    both.handshake()
    der = standard.PEM_cert_to_DER_cert(Path(files()[0]).read_text())
    assert bindings(both, "tls-server-end-point") == 2 * [hashlib.sha256(der).digest()]
    exported = bindings(both, "tls-exporter")
    assert exported[0] == exported[1]
    assert len(exported[0]) == 32
    for end in (both.client, both.server):
        if version == "TLSv1_3":
            with pytest.raises(ValueError, match="RFC 9266"):
                end.get_channel_binding()
        else:
            assert end.get_channel_binding() == end.get_channel_binding("tls-unique")
        with pytest.raises(ValueError, match="'nonsense' channel binding type not implemented"):
            end.get_channel_binding("nonsense")
