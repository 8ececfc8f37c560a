"""How a context reads files, with both modules."""

from __future__ import annotations

import io
import os

import pytest

from tests.sslmodule.ends import ca_file, ours, standard


@pytest.mark.parametrize(("module", "seen"), [(standard, False), (ours, True)])
def test_who_watches_python_sees_files_being_read(module, seen, monkeypatch):
    # docs/ssl.md: Files are read by Python
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    looked_at = []
    stat, read = os.stat, io.open

    def watched(call):
        def watching(path, *arguments, **options):
            looked_at.append(os.fspath(path))
            return call(path, *arguments, **options)

        return watching

    path = ca_file()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", watched(stat))
        patch.setattr(io, "open", watched(read))
        context.load_verify_locations(path)
    assert (path in looked_at) is seen
    assert len(context.get_ca_certs()) == 1
