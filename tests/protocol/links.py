"""A Link of its own, without a connection around it."""

from __future__ import annotations

from typing import Any

from postshake.config import Config
from postshake.constants import Role
from postshake.protocol.link import Link
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.reassembly import Reassembly
from tests.pair import client_config, server_config

__all__ = ["link"]


def link(role: Role = Role.client, **fields: Any) -> Link:
    limits = Limits()
    config: Config = client_config(**fields) if role is Role.client else server_config(**fields)
    layer = RecordLayer(limits=limits, role=role)
    return Link(role, config, layer, Reassembly(limits))
