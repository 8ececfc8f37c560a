"""PskCredentials: keys, files and functions."""

from __future__ import annotations

import pytest

from postshake.resumption import ExternalPsk
from postshake.session import (
    CLIENT,
    PSK_KEY_HEX,
    Again,
    PskCredentials,
    Session,
    SessionError,
    codes,
)

KEY = bytes(range(16))


def code_of(call, *arguments):
    with pytest.raises(SessionError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.fixture
def session():
    return Session(CLIENT)


def test_they_show_no_key():
    credentials = PskCredentials()
    credentials.set_psk("client", b"very secret indeed")
    assert "secret" not in repr(credentials)
    assert credentials.identity == b"client"


def test_a_key_in_hexadecimal(session):
    credentials = PskCredentials("sha384")
    credentials.set_psk(b"client", KEY.hex(), PSK_KEY_HEX)
    assert credentials.offers(session) == (ExternalPsk(b"client", KEY, "sha384"),)
    assert credentials.find(session, b"client") == ExternalPsk(b"client", KEY, "sha384")
    assert credentials.find(session, b"another") is None


def test_bad_keys():
    credentials = PskCredentials()
    assert code_of(credentials.set_psk, "client", "no digits", PSK_KEY_HEX) == codes.E_PARSING_ERROR
    assert code_of(credentials.set_psk, "client", b"short") == codes.E_INVALID_REQUEST
    assert code_of(credentials.set_psk, "", KEY) == codes.E_INVALID_REQUEST
    assert not credentials.serves
    assert credentials.identity is None


def test_a_file_of_psktool(tmp_path, session):
    file = tmp_path / "keys"
    file.write_bytes(b"alice:" + KEY.hex().encode() + b"\n\n#62:6f62:" + KEY.hex().encode() + b"\n")
    credentials = PskCredentials()
    assert code_of(credentials.set_server_credentials_file, file) == codes.E_PARSING_ERROR
    file.write_bytes(b"a:b:" + KEY.hex().encode() + b"\n\n#626f62:" + (2 * KEY).hex().encode())
    credentials.set_server_credentials_file(file)
    assert credentials.serves
    assert credentials.find(session, b"a:b").key == KEY
    assert credentials.find(session, b"bob").key == 2 * KEY


@pytest.mark.parametrize("line", [b"alice", b"alice:0x", b"alice:abc", b"#xy:" + b"00" * 16])
def test_a_bad_file_says_where(tmp_path, line):
    file = tmp_path / "keys"
    file.write_bytes(b"good:" + b"00" * 16 + b"\n" + line)
    with pytest.raises(SessionError, match=":2: expected identity:hexadecimal") as caught:
        PskCredentials().set_server_credentials_file(file)
    assert caught.value.code == codes.E_PARSING_ERROR


def test_no_file(tmp_path):
    call = PskCredentials().set_server_credentials_file
    assert code_of(call, tmp_path / "none") == codes.E_FILE_ERROR


def test_functions(session):
    credentials = PskCredentials()
    credentials.set_client_function(lambda who: (b"asked", KEY) if who is session else (b"?", KEY))
    assert credentials.offers(session)[0].identity == b"asked"
    asked = []

    def find(who, identity):
        asked.append(identity)
        if len(asked) == 1:
            raise Again("the directory is slow")
        return KEY if identity == b"alice" else None

    credentials.set_server_function(find)
    with pytest.raises(Again):
        credentials.find(session, b"alice")
    assert credentials.find(session, b"alice").key == KEY
    assert credentials.find(session, b"mallory") is None
