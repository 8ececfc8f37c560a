"""tshark, given our key log, understands what we put on the wire."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time

import pytest

from postshake.config import AuthRequest
from postshake.drive.sync import Stream
from tests.pair import client_config, issued, server_config
from tests.requirements import require
from tests.waiting import PATIENCE

pytestmark = pytest.mark.interop

NAME = "server.example"
ANSWER = ("Certificate", "CertificateVerify", "Finished")


class Tapped:
    """A socket that notes what is sent on it."""

    def __init__(self, sock, sent, port):
        self._sock, self._sent, self._port = sock, sent, port

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def send(self, data):
        moment = time.time()  # before, or the answer could seem to come first
        count = self._sock.send(data)
        self._sent.append((moment, self._port, bytes(data[:count])))
        return count

    def fileno(self):
        return self._sock.fileno()


def tcp(port, peer, seq, ack, flags, data=b""):
    """An IPv4 packet with a TCP segment; nobody looks at its checksums."""
    segment = struct.pack(">HHIIBBHHH", port, peer, seq, ack, 5 << 4, flags, 65535, 0, 0) + data
    total = 20 + len(segment)
    source = socket.inet_aton("127.0.0.1")
    header = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0x4000, 64, 6, 0) + source + source
    return header + segment


def write_pcap(path, sent, client=40000, server=4433):
    """Write what was sent as a capture of one TCP connection."""
    raw_ip = 101
    packets = [
        (sent[0][0], tcp(client, server, 0, 0, 2)),
        (sent[0][0], tcp(server, client, 0, 1, 18)),
    ]
    position = {client: 1, server: 1}
    for moment, port, data in sorted(sent, key=lambda each: each[0]):
        peer = server if port == client else client
        for start in range(0, len(data), 1400):
            piece = data[start : start + 1400]
            packets.append((moment, tcp(port, peer, position[port], position[peer], 24, piece)))
            position[port] += len(piece)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, raw_ip))
        for moment, packet in packets:
            size = len(packet)
            file.write(struct.pack("<IIII", int(moment), int(moment % 1 * 1e6), size, size))
            file.write(packet)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A step-up on the wire, and the keys."""
    folder = tmp_path_factory.mktemp("capture")
    sent: list[tuple[float, int, bytes]] = []
    keys: list[str] = []
    one, other = socket.socketpair()
    config = client_config(credentials=(issued("alice").credential(),), keylog=keys.append)

    def client():
        with Stream(Tapped(one, sent, 40000), config, NAME) as stream:
            stream.send(b"hello")
            while stream.receive():
                pass

    thread = threading.Thread(target=client)
    thread.start()
    with Stream(Tapped(other, sent, 4433), server_config()) as stream:
        assert stream.receive() == b"hello"
        # once: at the client's second Finished tshark 4.0 loses count of its records
        assert stream.reauth(AuthRequest()).identity is not None
        stream.key_update()
        stream.send(b"welcome")
    thread.join(PATIENCE)
    write_pcap(folder / "step-up.pcap", sent)
    (folder / "keys.log").write_text("".join(f"{line}\n" for line in keys))
    return folder / "step-up.pcap", folder / "keys.log"


def tshark(capture, *arguments):
    path, keys = capture
    command = [require("tshark"), "-r", path, "-o", f"tls.keylog_file:{keys}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_nothing_is_malformed(capture):
    assert tshark(capture, "-Y", "_ws.malformed || tls.alert_message.desc > 0") == ""
    assert "Malformed" not in tshark(capture, "-V")


def test_the_messages_after_the_handshake(capture):
    listed = tshark(capture, "-Y", "tls.handshake", "-T", "fields", "-e", "tls.handshake.type")
    types = [number for line in listed.splitlines() for number in line.split(",")]
    after = types[len(types) - types[::-1].index("2") :]  # the ServerHello
    names = {"13": "CertificateRequest", "11": "Certificate", "15": "CertificateVerify"}
    names |= {"20": "Finished", "24": "KeyUpdate", "4": "NewSessionTicket", "8": "…"}
    told = [names[number] for number in after if number not in ("8", "4")]
    answer = ["CertificateRequest", "Certificate", "CertificateVerify", "Finished"]
    assert told == [*answer[1:], "Finished", *answer, "KeyUpdate"]
    assert "hello" in tshark(capture, "-q", "-z", "follow,tls,ascii,0")


def test_trace_reads_captures(capture, run, tmp_path):
    path, keys = capture
    require("tshark")
    done = run("trace", "--pcap", path, "--keylog", keys)
    assert done.returncode == 0, done.stderr
    for what in ("ClientHello", "CertificateRequest", "CertificateVerify", "KeyUpdate"):
        assert what in done.stdout
    lines = [json.loads(line) for line in run("trace", "--pcap", path, "--keylog", keys,
             "--json").stdout.splitlines()][1:]  # fmt: skip
    told = [(line["from"], line["what"], line["epoch"]) for line in lines]
    client = [("client", what, "application 0") for what in ANSWER]
    asked = told.index(("server", "CertificateRequest", "application 0"))
    assert told[asked + 1 : asked + 4] == client
    assert ("server", "KeyUpdate", "application 0") in told
    assert ("server", "application data", "application 1") in told
    assert told[0] == ("client", "ClientHello", "plaintext")
    assert told[3:7] == [("server", what, "handshake") for what in ("EncryptedExtensions", *ANSWER)]
    # the answer names the request; whether it was believed is not on the wire
    assert lines[asked]["context"] == lines[asked + 1]["context"] != ""
    assert not any("identity" in line for line in lines)
    fields = dict(lines[0]["fields"])
    assert fields["Server Name"] == NAME
    assert ["Signature Algorithm", "ecdsa_secp256r1_sha256 (0x0403)"] in lines[0]["fields"]
    assert not any("length" in name.lower() for name, _ in lines[0]["fields"])
    data = [line["size"] for line in lines if line["what"] == "application data"]
    assert data == [len(b"hello"), len(b"welcome")]
    without = [json.loads(line) for line in run("trace", "--pcap", path,
               "--json").stdout.splitlines()][1:]  # fmt: skip
    assert {line["what"] for line in without} == {
        "ClientHello", "ServerHello", "ChangeCipherSpec", "encrypted record",
    }  # fmt: skip
    page = tmp_path / "page.html"
    assert run("trace", "--pcap", path, "--html", page).returncode == 0
    drawn = page.read_text()
    assert "ClientHello" in drawn
    assert "As seen on the wire" in drawn
    assert "client: proven" not in drawn
    assert run("trace", "--pcap", keys).returncode == 2
    assert run("trace", "--pcap", path, "--stream", "7").returncode == 2
