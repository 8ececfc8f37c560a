"""One Hypothesis strategy for each message that only TLS 1.2 has."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from postshake.wire import tls12
from tests.strategies import codes, opaque, tuples_of, u8s, u16s, u32s

__all__ = ["MESSAGES12"]

params = st.builds(tls12.ServerEcdhParams, u16s, opaque(1, 255))

MESSAGES12: dict[type[Any], st.SearchStrategy[Any]] = {
    tls12.HelloRequest: st.just(tls12.HelloRequest()),
    tls12.Certificate12: st.builds(tls12.Certificate12, tuples_of(opaque(1, 40), minimum=0)),
    tls12.CertificateStatus12: st.builds(tls12.CertificateStatus12, opaque(1, 40)),
    tls12.ServerKeyExchange: st.builds(tls12.ServerKeyExchange, params, u16s, opaque(0, 80)),
    tls12.CertificateRequest12: st.builds(
        tls12.CertificateRequest12, tuples_of(u8s), codes, tuples_of(opaque(1), minimum=0)
    ),
    tls12.ServerHelloDone: st.just(tls12.ServerHelloDone()),
    tls12.ClientKeyExchange: st.builds(tls12.ClientKeyExchange, opaque(1, 133)),
    tls12.NewSessionTicket12: st.builds(tls12.NewSessionTicket12, u32s, opaque(0, 40)),
}
"""A strategy for each, by class."""
