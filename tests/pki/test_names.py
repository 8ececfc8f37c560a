"""Server names and who a certificate is for."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import NameMismatch, UsageError
from postshake.pki.extensions import read_general_names
from postshake.pki.names import (
    check_host,
    covers,
    matches_host,
    matches_names,
    name_mismatch,
    normalize_server_name,
    sni_host_name,
)
from tests import forging as f
from tests.certs import CA

ROOT = CA("Root")
FULL_WIDTH = chr(0xFF11) + "." + chr(0xFF12)  # becomes 1.2
LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12).filter(
    lambda label: not label.isdigit()
)


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("a.example", "a.example", True),
        ("A.Example", "a.eXAMPLE", True),
        ("a.example", "a.example.", True),
        ("a.example", "b.a.example", False),
        ("*.b.example", "a.b.example", True),
        ("*.b.example", "b.example", False),
        ("*.b.example", "x.a.b.example", False),
        ("*.b.example", "*.b.example", None),
        ("*.example", "a.example", False),
        ("*", "example", False),
        ("a*.b.example", "aa.b.example", False),
        ("x.*.example", "x.a.example", False),
        ("*.*.example", "x.a.example", False),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("127.0.0.1", "127.0.0.1", False),  # a DNS name that looks like an address
        ("", "a.example", False),
    ],
)
def test_dns(pattern: str, host: str, matches: bool | None) -> None:
    names = [x509.DNSName(pattern)]
    if matches is None:
        with pytest.raises(UsageError):
            matches_names(names, host)
    else:
        assert matches_names(names, host) is matches


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("10.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::1%eth0", True),
        ("10.0.0.2", False),
        ("::ffff:10.0.0.1", False),
        ("a.example", False),
    ],
)
def test_addresses(host: str, matches: bool) -> None:
    certificate = ROOT.issue("a.example", purpose="server", ip=("10.0.0.1", "::1")).certificate
    assert matches_host(certificate, host) is matches


def test_common_name_never_counts() -> None:
    for options in ({"san": False}, {"email": ("x@a.example",), "dns": ()}):
        certificate = ROOT.issue("a.example", purpose="server", **options).certificate
        with pytest.raises(NameMismatch, match="for no host"):
            check_host(certificate, "a.example")


def test_check_host_says_what_was_got() -> None:
    names = tuple(f"h{index}.example" for index in range(20))
    certificate = ROOT.issue("x", purpose="server", dns=names).certificate
    check_host(certificate, "h19.example")
    with pytest.raises(NameMismatch, match=r"'b\.example', got .*h0\.example.* and 12 more"):
        check_host(certificate, "b.example")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        ".a",
        "a b",
        "a\x00.example",
        "a/b",
        "1.2.3",
        "999.1.1.1",
        "*",
        "[a]",
        "a" * 64,
        "a." * 127 + "a",
        "é" * 300,
        "::g",
        "http://a.example",
        "a.example:443",
        "。",
        FULL_WIDTH,
    ],
)
def test_not_a_server_name(name: str) -> None:
    with pytest.raises(UsageError):
        normalize_server_name(name)


def test_no_name_is_remembered_that_nobody_has() -> None:
    """A stranger's may be as long as a ClientHello."""
    for name in ("1::%" + "a" * 300, "a." * 200, "a" * 100_000):
        with pytest.raises(UsageError, match=r"too long|neither"):
            normalize_server_name(name)
    before = normalize_server_name.cache_info().currsize
    assert not matches_host(ROOT.certificate, "1::%" + "b" * 60_000)
    assert normalize_server_name.cache_info().currsize == before


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        ([f.dns("a.example")], "a.example", True),
        ([f.dns("A.example")], "a.example", True),
        ([f.dns("m\xfcller.example"), f.dns("*.b.example")], "a.b.example", True),
        ([f.dns("a.example\0.b.example")], "a.example", False),
        ([f.tlv(0x86, b"a.example")], "a.example", False),
        ([f.tlv(0x87, bytes([10, 0, 0, 1]))], "10.0.0.1", True),
        ([f.tlv(0x87, bytes([10, 0, 0, 1, 255, 255, 255, 255]))], "10.0.0.1", False),
        ([f.dns("10.0.0.1")], "10.0.0.1", False),
        ([f.tlv(0xA4, f.name("a.example"))], "a.example", False),
    ],
)
def test_a_peers_names_each_alone(names: list[bytes], host: str, expected: bool) -> None:
    assert covers(read_general_names(f.seq(*names)), host) is expected


def test_a_mismatch_shows_what_is_safe_to_print() -> None:
    names = read_general_names(f.seq(f.dns(b"\x1b[2J\xff" + b"a" * 1000), f.tlv(0x87, b"12345")))
    text = str(name_mismatch(names, "a.example"))
    assert text.isprintable()
    assert text.isascii()
    assert len(text) < 500


def test_sni() -> None:
    assert sni_host_name("A.example.") == "a.example"
    assert sni_host_name("bücher.example") == "xn--bcher-kva.example"
    assert sni_host_name("localhost") == "localhost"
    assert sni_host_name("10.0.0.1") is None
    assert sni_host_name("[::1]") is None


@given(st.lists(LABEL, min_size=1, max_size=5))
def test_a_name_is_itself_and_no_other(labels: list[str]) -> None:
    host = ".".join(labels)
    assert normalize_server_name(host.upper() + ".") == (host, False)
    assert matches_names([x509.DNSName(host)], host)
    assert not matches_names([x509.DNSName(host)], "x" + host)
    assert not matches_names([x509.DNSName(host)], "x." + host)
    assert matches_names([x509.DNSName("*." + host)], "x." + host) is (len(labels) > 1)


@given(st.ip_addresses())
def test_an_address_is_itself(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    normal = normalize_server_name(str(address))
    assert normal[1]
    assert ipaddress.ip_address(normal[0]) == ipaddress.ip_address(str(address).partition("%")[0])
    assert matches_names([x509.IPAddress(ipaddress.ip_address(normal[0]))], str(address))


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_a_usage_error(text: str) -> None:
    try:
        host, is_ip = normalize_server_name(text)
    except UsageError:
        return
    assert host.isascii()
    assert normalize_server_name(host) == (host, is_ip)
