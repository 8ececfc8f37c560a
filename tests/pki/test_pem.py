"""PEM among other text: what is a block and what is none, and in what time."""

from __future__ import annotations

import base64
import re
from time import process_time

import pytest

from postshake.pki.pem import PemBlock, pem_blocks

BODY = base64.encodebytes(b"something")


def block(label: str, body: bytes = BODY) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % ((name := label.encode()), body, name)


CERTIFICATE = PemBlock(b"CERTIFICATE", {}, b"something")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (b"", []),
        (block("CERTIFICATE"), ["CERTIFICATE"]),
        (
            b"before\n" + block("A") + b"between\n" + block("X509 CRL") + b"behind",
            ["A", "X509 CRL"],
        ),
        (block("A").replace(b"\n", b"\r\n"), ["A"]),
        (block("A").replace(b"-----\n", b"-----  \t\n"), ["A"]),
        (block("A")[:-1] + b"\0", ["A"]),
        (b" " + block("A"), []),  # a boundary begins its line
        (b"so: " + block("A"), []),
        (block("A").replace(b"-----\n", b"----- what\n"), []),
        (b"-----BEGIN A-----\nMIIB\n", []),
        (b"-----BEGIN A-----\nMIIB\n" + block("B"), ["B"]),
        (b"-----BEGIN A-----\nMIIB\n-----END B-----\n" + block("C"), ["C"]),
        (b"-----END A-----\n" + block("A"), ["A"]),
        (block("a"), []),
    ],
)
def test_blocks(text: bytes, labels: list[str]) -> None:
    assert [each.label.decode() for each in pem_blocks(text)] == labels


def test_what_is_in_a_block() -> None:
    assert pem_blocks(block("CERTIFICATE")) == [CERTIFICATE]
    assert pem_blocks(block("CERTIFICATE", b"\n" + BODY + b"\n")) == [CERTIFICATE]
    headers = b"Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0011\n\n"
    [found] = pem_blocks(block("KEY", headers + BODY))
    assert found.headers == {b"Proc-Type": b"4,ENCRYPTED", b"DEK-Info": b"DES-CBC,0011"}
    assert found.content == b"something"
    assert pem_blocks(block("CERTIFICATE", b" YWJj\tZGVm \n"))[0].content == b"abcdef"
    for damaged in (b"YWJjZ\n", b"YWJ!j\n", b"YW==Jj\n"):
        assert pem_blocks(block("CERTIFICATE", damaged)) == [PemBlock(b"CERTIFICATE", {}, b"")]


BEGIN, END = b"-----BEGIN A-----\n", b"-----END A-----\n"
HOSTILE = {
    "begun": BEGIN,
    "ended": END,
    "begun twice": BEGIN + b"-----BEGIN B-----\n",
    "ended by another": BEGIN + b"-----END B-----\n",
    "dashes": b"-" * 20,
    "blanks": b"-----BEGIN A-----" + b" " * 64,
    "labels": b"\n-----BEGIN " + b"A " * 32,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_time_is_linear(text: bytes) -> None:
    def seconds(size: int) -> float:
        data = text * (size // len(text))
        return min(timed(data) for _ in range(3))

    def timed(data: bytes) -> float:
        before = process_time()
        pem_blocks(data)
        return process_time() - before

    small, large = seconds(1 << 14), seconds(1 << 18)
    assert large < 16 * 8 * small + 0.05  # of quadratic work there would be 256 times as much


def test_a_block_is_no_regular_expression_of_old() -> None:
    """The pattern that was here before took all that stood between two ends of the same label."""
    old = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
    text = BEGIN + b"MIIB\n" + block("A")
    assert old.findall(text) == [b"A"]
    assert [each.content for each in pem_blocks(text)] == [b"something"]
