"""Another context on a TLS object: what it brings, beside the standard module.

Each case is played by the standard library first, which says what is right, but where ours
is the stricter one (docs/ssl.md: A context that is set).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sslmodule.ends import Memory, ca_file, client_context, files, ours, standard

OTHER = "The other tenant's CA"
WHEN = pytest.mark.parametrize("when", ["before", "sni"])
VERSIONS = pytest.mark.parametrize("version", ["1.3", "1.2"])
STRICT = standard.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def server(
    module: Any,
    *,
    shows: str | None = "localhost",
    trusts: str = "Test CA",
    alpn: tuple[str, ...] = (),
    ciphers: str | None = None,
    flags: int = 0,
    **settings: Any,
) -> Any:
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    if shows is not None:
        context.load_cert_chain(*files(shows))
    context.load_verify_locations(ca_file(trusts))
    for name, value in settings.items():
        setattr(context, name, value)
    context.verify_flags |= flags
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


def client(module: Any, *, version: str, ca: str = "Test CA", **settings: Any) -> Any:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = module.CERT_NONE
    context.load_cert_chain(*files("alice", ca=ca, purpose="client"))
    context.post_handshake_auth = True
    context.set_alpn_protocols(["x", "y"])
    if version == "1.2":
        context.maximum_version = module.TLSVersion.TLSv1_2
    return context


def told(module: Any, first: Any, second: Any, when: str, version: str, **options: Any) -> Any:
    """What comes of a handshake in which `second` takes the place of `first`."""
    if when == "sni":
        first.sni_callback = lambda tls, name, context: setattr(tls, "context", second)
    pair = Memory(first, client(module, version=version, **options))
    if when == "before":
        pair.server.context = second
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    wrong = [each for each in reversed(results) if each is not None]
    if wrong:
        return getattr(wrong[0], "reason", wrong[0])
    assert pair.server.context is second
    certificate = pair.server.getpeercert()
    chosen = pair.server.cipher()[0]
    return (
        certificate["subject"] if certificate else certificate,
        pair.server.selected_alpn_protocol(),
        pair.server.version(),
        None if chosen.startswith("TLS_") else chosen,  # in 1.3 the two have other favourites
        pair.client.getpeercert(True),
    )


REQUIRED, NONE = standard.CERT_REQUIRED, standard.CERT_NONE
ALIKE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "certificates": ({}, {"shows": "b.example"}, {}),
    "certificates of a context that has none": ({"shows": None}, {"shows": "b.example"}, {}),
    "trust that refuses": (
        {"verify_mode": REQUIRED},
        {"verify_mode": REQUIRED, "trusts": OTHER},
        {},
    ),
    "trust that accepts": (
        {"verify_mode": REQUIRED},
        {"verify_mode": REQUIRED, "trusts": OTHER},
        {"ca": OTHER},
    ),
    "a certificate is still wanted, and not shown": ({"verify_mode": REQUIRED}, {}, {}),
    "and verified by the new trust": ({"verify_mode": REQUIRED}, {"trusts": OTHER}, {}),
    "flags of the first": (
        {"verify_mode": REQUIRED, "flags": STRICT},
        {"verify_mode": REQUIRED},
        {},
    ),
    "application protocols": ({"alpn": ("x",)}, {"alpn": ("y",)}, {}),
    "no application protocols": ({"alpn": ("x",)}, {}, {}),
    "ciphers of TLS 1.2": ({}, {"ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"}, {}),
    "no ciphers of the first": ({"ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"}, {}, {}),
    "versions of the first": ({}, {"maximum_version": standard.TLSVersion.TLSv1_2}, {}),
}


@WHEN
@VERSIONS
@pytest.mark.parametrize("case", ALIKE)
def test_the_new_context_counts_as_it_does_there(case: str, version: str, when: str) -> None:
    first, second, options = ALIKE[case]
    results = [
        told(module, server(module, **first), server(module, **second), when, version, **options)
        for module in (standard, ours)
    ]
    assert results[0] == results[1]


STRICTER: dict[str, tuple[dict[str, Any], dict[str, Any], object, object]] = {
    "what the new one requires": (
        {},
        {"verify_mode": REQUIRED},
        None,
        ((("commonName", "alice"),),),
    ),
    "what the new one looks at": (
        {"verify_mode": REQUIRED},
        {"verify_mode": REQUIRED, "flags": STRICT},
        ((("commonName", "alice"),),),
        "CERTIFICATE_VERIFY_FAILED",
    ),
}


@WHEN
@VERSIONS
@pytest.mark.parametrize("case", STRICTER)
def test_ours_is_the_stricter_one(case: str, version: str, when: str) -> None:
    """See docs/ssl.md: A context that is set."""
    first, second, theirs, expected = STRICTER[case]
    for module, right in ((standard, theirs), (ours, expected)):
        got = told(module, server(module, **first), server(module, **second), when, version)
        assert (got if isinstance(got, str) else got[0]) == right


@VERSIONS
def test_a_client_goes_by_the_trust_that_was_set(version: str) -> None:
    for module in (standard, ours):
        context = client_context(module, name=None)
        if version == "1.2":
            context.maximum_version = module.TLSVersion.TLSv1_2
        pair = Memory(server(module), context)
        pair.client.context = client_context(module, name=None, ca=OTHER)
        failure, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
        assert failure.reason == "CERTIFICATE_VERIFY_FAILED"


def test_a_client_shows_the_certificate_that_was_set() -> None:
    for module in (standard, ours):
        pair = Memory(server(module, verify_mode=REQUIRED), client_context(module, name="alice"))
        pair.client.context = client_context(module, name="bob")
        pair.handshake()
        assert pair.server.getpeercert()["subject"] == ((("commonName", "bob"),),)


@VERSIONS
@pytest.mark.parametrize("refuses", [False, True])
def test_the_callback_is_asked_for_a_resumed_session(version: str, refuses: bool) -> None:
    """A tenant who was shut out stays out, ticket or not."""
    for module in (standard, ours):
        asked: list[str | None] = []
        answer: list[int | None] = [None]
        context = server(module)

        def callback(
            tls: Any, name: str | None, context: Any, asked: Any = asked, answer: Any = answer
        ) -> Any:
            asked.append(name)
            return answer[0]

        context.sni_callback = callback
        visitor = client_context(module, name=None)
        if version == "1.2":
            visitor.maximum_version = module.TLSVersion.TLSv1_2
        pair = Memory(context, visitor).handshake()
        pair.server.write(b"x")
        pair.move()
        assert pair.client.read(1) == b"x"
        if refuses:
            answer[0] = module.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        again = Memory(context, visitor)
        again.client = visitor.wrap_bio(
            again.down, again._out_up, server_hostname="localhost", session=pair.client.session
        )
        results = again.run(again.client.do_handshake, again.server.do_handshake)
        assert asked == ["localhost", "localhost"]
        if refuses:
            assert results[1].reason == "CALLBACK_FAILED"
        else:
            assert results == [None, None]
            assert again.client.session_reused


@VERSIONS
def test_a_ticket_does_not_get_around_a_tenants_authority(version: str) -> None:
    """Who was accepted by one authority resumes at a tenant that trusts another: in vain."""
    first = server(ours, verify_mode=REQUIRED)
    tenant = server(ours, verify_mode=REQUIRED)
    strict = server(ours, verify_mode=REQUIRED, trusts=OTHER)
    shown = [tenant]
    first.sni_callback = lambda tls, name, context: setattr(tls, "context", shown[0])
    visitor = client(ours, version=version)
    pair = Memory(first, visitor).handshake()
    pair.server.write(b"x")
    pair.move()
    assert pair.client.read(1) == b"x"
    session = pair.client.session

    def again() -> tuple[Memory, list[Any]]:
        pair = Memory(first, visitor)
        pair.client = visitor.wrap_bio(
            pair.down, pair._out_up, server_hostname="localhost", session=session
        )
        return pair, pair.run(pair.client.do_handshake, pair.server.do_handshake)

    shown[0] = strict
    pair, results = again()
    assert results[1].reason == "CERTIFICATE_VERIFY_FAILED"
    shown[0] = tenant
    pair, results = again()
    assert results == [None, None]
    assert pair.client.session_reused


@pytest.mark.parametrize("set_on", ["before", "sni", "later"])
def test_reauth_goes_by_the_new_trust(set_on: str) -> None:
    first = server(ours, verify_mode=REQUIRED, post_handshake_auth=True)
    second = server(ours, verify_mode=REQUIRED, post_handshake_auth=True, trusts=OTHER)
    if set_on == "sni":
        first.sni_callback = lambda tls, name, context: setattr(tls, "context", second)
    for authority, accepted in ((OTHER, True), ("Test CA", False)):
        pair = Memory(first, client(ours, version="1.3", ca=authority))
        if set_on == "before":
            pair.server.context = second
        pair.handshake()
        if set_on == "later":
            pair.server.context = second
        result, _ = pair.run(pair.server.reauth, pair.idle)
        if accepted:
            assert result.common_name == "alice"
        else:
            assert result.reason == "CERTIFICATE_VERIFY_FAILED"
            assert pair.server.identity is None


def test_a_client_answers_reauth_with_the_certificate_that_was_set() -> None:
    pair = Memory(
        server(ours, verify_mode=REQUIRED, post_handshake_auth=True),
        client_context(ours, name="alice"),
    ).handshake()
    pair.client.context = client_context(ours, name="bob")
    result, _ = pair.run(pair.server.reauth, pair.idle)
    assert result.common_name == "bob"


def test_a_callback_that_is_set_after_the_object_was_made() -> None:
    for module in (standard, ours):
        context = server(module)
        pair = Memory(context, client(module, version="1.3"))
        asked: list[str | None] = []
        context.sni_callback = lambda tls, name, own, asked=asked: asked.append(name)
        pair.handshake()
        assert asked == ["localhost"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_context_that_cannot_be_used_is_no_way_in() -> None:
    """The callback's context has settings that make no connection: fail closed."""

    def broken(tls: Any, name: str, own: Any) -> None:
        context = server(ours)
        context.certificate_compression = ("no such thing",)
        tls.context = context

    first = server(ours)
    first.sni_callback = broken
    pair = Memory(first, client(ours, version="1.3"))
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert results[1].reason == "CALLBACK_FAILED"
    assert pair.server.version() is None


def test_settings_are_kept_for_each_pair_of_contexts() -> None:
    """A configuration is made once, and a chain that was verified stays known."""
    first, tenants = server(ours, verify_mode=REQUIRED), [server(ours) for _ in range(3)]
    made: list[Any] = []
    for round_ in range(2):
        for number, tenant in enumerate(tenants):
            pair = Memory(first, client(ours, version="1.3"))
            pair.server.context = tenant
            pair.handshake()
            config = pair.server._sslobj._config
            if round_:
                assert config is made[number]
            made.append(config)
    assert len({id(config) for config in made}) == 3
