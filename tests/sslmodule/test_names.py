"""Every name of the standard module: ours, taken over, or inherited for a reason."""

from __future__ import annotations

import importlib
import inspect
import ssl as standard
import types
from typing import Any

import pytest

import postshake.ssl as ours
from postshake.ssl.tls_object import TLSObject
from tests.sslmodule.ends import client_context, over_sockets, server_context
from tests.sslmodule.names import (
    CLASSES,
    FEATURE,
    FLAG,
    MODULE,
    OPTION,
    PATTERNS,
    Inherited,
    Ours,
    Setting,
    here,
)

pytestmark = pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")

_ssl: Any = importlib.import_module("_ssl")  # its classes are private

THEIRS: dict[str, list[type]] = {
    "SSLContext": [standard.SSLContext, _ssl._SSLContext],
    "SSLSocket": [standard.SSLSocket],  # what it has of socket.socket is not about TLS
    "SSLObject": [standard.SSLObject],
    "SSLSession": [standard.SSLSession],
    "MemoryBIO": [standard.MemoryBIO],
    "_SSLSocket": [_ssl._SSLSocket],
}
OWN: dict[str, type] = {
    "SSLContext": ours.SSLContext,
    "SSLSocket": ours.SSLSocket,
    "SSLObject": ours.SSLObject,
    "SSLSession": ours.SSLSession,
    "MemoryBIO": ours.MemoryBIO,
    "_SSLSocket": TLSObject,
}


def names_of(classes: list[type]) -> set[str]:
    return {
        name
        for each in classes
        for name in vars(each)
        if not (name.startswith("__") and name.endswith("__"))
    }


@pytest.mark.parametrize("name", CLASSES)
def test_every_name_of_a_class_is_known(name):
    assert names_of(THEIRS[name]) == here(CLASSES[name])


def test_every_name_of_the_module_is_known():
    found = {
        name
        for name, value in vars(standard).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and not any(pattern.fullmatch(name) for pattern in PATTERNS.values())
    }
    assert found == here(MODULE)


ROWS = [
    pytest.param(kind, name, id=f"{kind}-{name}")
    for kind, table in CLASSES.items()
    for name, treatment in table.items()
    if treatment.is_here
]


@pytest.mark.parametrize(("kind", "name"), ROWS)
def test_a_name_is_treated_as_the_table_says(kind, name):
    treatment = CLASSES[kind][name]
    theirs = next(vars(each)[name] for each in THEIRS[kind] if name in vars(each))
    own = inspect.getattr_static(OWN[kind], name, None)
    if name == "owner" and kind == "_SSLSocket":
        assert "owner" in inspect.signature(TLSObject.__init__).parameters
    elif name in ("server_side", "server_hostname") and kind == "_SSLSocket":
        assert name in inspect.signature(TLSObject.__init__).parameters
    elif isinstance(treatment, Ours):
        assert own is not None
        assert own is not theirs
    elif kind == "_SSLSocket":
        assert own is None
    else:
        assert own is theirs
    if isinstance(treatment, Inherited):
        assert treatment.why


@pytest.mark.parametrize(
    "name", [name for name, each in CLASSES["SSLContext"].items() if isinstance(each, Setting)]
)
def test_a_setting_is_in_force(name):
    setting = CLASSES["SSLContext"][name]
    assert isinstance(setting, Setting)
    protocol = ours.PROTOCOL_TLS_CLIENT if setting.client else ours.PROTOCOL_TLS_SERVER
    context = ours.SSLContext(protocol)
    before = setting.seen(context)
    setting.change(context)
    assert setting.seen(context) != before


@pytest.mark.parametrize("name", [name for name, each in MODULE.items() if each.is_here])
def test_the_module_has_the_name(name):
    treatment = MODULE[name]
    if not isinstance(treatment, Ours):
        assert getattr(ours, name) is getattr(standard, name)
    elif not name.startswith("HAS_"):  # some builds of OpenSSL have as little as we
        assert getattr(ours, name) is not getattr(standard, name, None)
    assert name in ours.__all__
    assert name in dir(ours)


def test_star_imports_bring_what_the_standard_one_brings():
    space: dict[str, Any] = {}
    exec("from postshake.ssl import *", space)
    wanted = here(MODULE) | {name for name in dir(standard) if name.startswith("ALERT_")}
    assert wanted <= set(space)
    assert len(ours.__all__) == len(set(ours.__all__))


def test_there_is_a_word_on_every_option_flag_and_feature():
    """Members without a name in the module are private: none is read."""
    names = {name for name in dir(ours) if name.startswith(("OP_", "VERIFY_", "HAS_"))}
    assert names <= set(OPTION) | set(FLAG) | set(FEATURE)
    enumerated = {*standard.Options.__members__, *standard.VerifyFlags.__members__}
    assert enumerated <= names


@pytest.mark.parametrize("name", standard.VerifyFlags.__members__)
def test_flags_that_have_a_name_can_be_set(name):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= standard.VerifyFlags[name]
    assert context.verify_flags & standard.VerifyFlags[name] == standard.VerifyFlags[name]
    context.verify_flags = standard.VERIFY_DEFAULT
    assert context.verify_flags == 0


@pytest.mark.parametrize("flag", [0x80, 0x100, 0x400, 0x1_0000, 0x20_0000])
def test_flags_that_have_no_name_are_refused(flag):
    """Policies, Suite B, no times: nothing that is asked for is passed over in silence."""
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    before = context.verify_flags
    with pytest.raises(ValueError, match=f"no flag {flag:#x}"):
        context.verify_flags |= flag
    assert context.verify_flags == before


def test_what_a_tls_object_is_asked_in_every_python():
    """The names of the newest Python are there in each."""
    with over_sockets(server_context(ours), client_context(ours)) as (server, client):
        for end in (server, client):
            assert end.group() in end.context.get_groups()
            assert end.server_sigalg() == "ecdsa_secp256r1_sha256"
            assert end.client_sigalg() is None
            assert not end._sslobj.uses_ktls_for_send()
            assert not end._sslobj.uses_ktls_for_recv()


def test_old_versions_are_not_said_to_be_there():
    for name in ("TLSv1", "TLSv1_1"):
        assert getattr(ours, f"HAS_{name}") is False
        with pytest.raises(ValueError, match="postshake speaks"):
            ours.SSLContext(getattr(ours, f"PROTOCOL_{name}"))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_each_kind_of_channel_binding_that_is_named_can_be_had(version):
    client = client_context(ours)
    client.maximum_version = getattr(ours.TLSVersion, version)
    with over_sockets(server_context(ours), client) as ends:
        for kind in ours.CHANNEL_BINDING_TYPES:
            first, second = (end.get_channel_binding(kind) for end in ends)
            assert first == second
            assert len(first) == 32
