"""What an owner may decide that the engine else decides by itself: alerts, hints, choices."""

from __future__ import annotations

import pytest

from postshake.config import AuthRequest, Refusal
from postshake.constants import AlertDescription, AlertLevel
from postshake.errors import AlertReceived, UsageError
from postshake.events import Outcome, ReauthRequested
from postshake.pki.trust import VerifiedChain
from postshake.wire.extensions import StatusRequestEmpty
from tests.certs import CA
from tests.pair import ConnectionPair, client_config, server_config


def test_a_failure_is_kept_quiet_until_the_owner_tells_it():
    pair = ConnectionPair(server=server_config(send_alerts=False))
    pair.server.receive(b"GET / HTTP/1.1\r\n")
    connection = pair.server.connection
    assert connection.failure is not None
    assert not connection.has_data_to_send
    assert not connection.sent_close
    connection.send_alert(AlertDescription.decode_error)
    assert connection.data_to_send() == bytes.fromhex("1503030002") + bytes([2, 50])
    assert connection.sent_close
    with pytest.raises(UsageError):
        connection.send_alert(AlertDescription.decode_error)


def test_an_alert_of_the_owners_own():
    pair = ConnectionPair().handshake()
    pair.client.connection.send_alert(AlertDescription.user_canceled, AlertLevel.fatal)
    pair.client.connection.send_data(b"still here")  # user_canceled closes nothing
    pair.move()
    assert pair.server.data == b"still here"
    pair.client.connection.send_alert(AlertDescription.access_denied)
    pair.move()
    assert isinstance(pair.server.error, AlertReceived)
    assert pair.server.error.received == AlertDescription.access_denied
    with pytest.raises(UsageError):
        pair.client.connection.send_data(b"more")


class Anyone:
    """A verifier that believes everybody, and verifies nothing."""

    def verify(self, peer):
        return VerifiedChain(())


@pytest.mark.parametrize(
    ("binding", "outcome"), [(True, Outcome.REFUSED), (False, Outcome.AUTHENTICATED)]
)
def test_authorities_bind_unless_they_are_a_hint(binding, outcome):
    pair = ConnectionPair().handshake()
    request = AuthRequest(
        authorities=(CA("Another CA").name,),
        binding_authorities=binding,
        verifier=Anyone(),
        on_refusal=Refusal.KEEP,
    )
    assert pair.reauth(request).outcome is outcome


@pytest.mark.parametrize("wanted", [False, True])
def test_an_ocsp_response_is_asked_for_or_not(wanted):
    pair = ConnectionPair().handshake()
    pair.reauth(request_ocsp=wanted)
    (event,) = pair.client.of(ReauthRequested)
    assert (event.request.extensions.get(StatusRequestEmpty) is not None) is wanted


def test_how_much_of_one_record_can_be_read():
    pair = ConnectionPair().handshake()
    pair.server.auto_read = False
    for data in (b"first", b"second one"):
        pair.client.connection.send_data(data)
    pair.move()
    connection = pair.server.connection
    assert connection.readable_in_record == 5
    assert connection.read(3) == b"fir"
    assert connection.readable_in_record == 2
    assert connection.read(2) == b"st"
    assert connection.readable_in_record == 10
    assert connection.read() == b"second one"
    assert connection.readable_in_record == 0


def test_a_server_whose_certificates_are_chosen_elsewhere_may_have_none():
    with pytest.raises(UsageError, match="a server needs"):
        server_config(credentials=())
    assert server_config(credentials=(), chosen_elsewhere=True).credentials == ()
    assert client_config().send_alerts
