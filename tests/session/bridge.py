"""libgnutls itself, through ctypes, with the very functions of `postshake.gnutls`.

So a program written on one of the two modules runs on the other, and a scenario can have
ours on one end and GnuTLS's on the other. Nothing here knows about sockets: push and pull
are Python functions over memory.
"""

from __future__ import annotations

import ctypes as C
import errno
import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.requirements import require

__all__ = ["Gnutls", "needs_libgnutls"]

needs_libgnutls = pytest.mark.needs("libgnutls")

_PUSH = C.CFUNCTYPE(C.c_ssize_t, C.c_void_p, C.c_void_p, C.c_size_t)
_PULL = C.CFUNCTYPE(C.c_ssize_t, C.c_void_p, C.c_void_p, C.c_size_t)
_PULL_TIMEOUT = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_uint)
_VERIFY = C.CFUNCTYPE(C.c_int, C.c_void_p)
_HOOK = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_uint, C.c_uint, C.c_uint, C.c_void_p)
_PSK = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_char_p, C.c_void_p)
_ADD = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_long, C.c_void_p, C.c_void_p)
_RETRIEVE = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p, C.c_int, C.c_void_p, C.c_int, C.c_void_p)


class Datum(C.Structure):
    """gnutls_datum_t."""

    _fields_ = (("data", C.c_void_p), ("size", C.c_uint))

    @classmethod
    def of(cls, data: bytes) -> Datum:
        buffer = C.create_string_buffer(data, len(data))
        datum = cls(C.cast(buffer, C.c_void_p), len(data))
        datum.keep = buffer
        return datum

    @property
    def bytes(self) -> bytes:
        return C.string_at(self.data, self.size) if self.data else b""


@functools.cache
def _library() -> Any:
    library = C.CDLL(require("libgnutls"))
    library.gnutls_strerror_name.restype = C.c_char_p
    library.gnutls_strerror.restype = C.c_char_p
    library.gnutls_record_recv.restype = C.c_ssize_t
    library.gnutls_record_send.restype = C.c_ssize_t
    library.gnutls_record_check_pending.restype = C.c_size_t
    library.gnutls_certificate_get_peers.restype = C.POINTER(Datum)
    library.gnutls_certificate_get_ours.restype = C.POINTER(Datum)
    library.gnutls_session_get_verify_cert_status.restype = C.c_uint
    library.gnutls_check_version.restype = C.c_char_p
    library.gnutls_psk_server_get_username.restype = C.c_char_p
    library.gnutls_record_send_early_data.restype = C.c_ssize_t
    library.gnutls_record_recv_early_data.restype = C.c_ssize_t
    library.gnutls_record_get_max_early_data_size.restype = C.c_size_t
    return library


class Handle:
    """A session or credentials, once allocated; keeps what C only points to."""

    def __init__(self) -> None:
        self.it = C.c_void_p()
        self.keep: list[Any] = []
        self.free: Callable[[Any], Any] | None = None
        self.ptr: Any = None

    def __del__(self) -> None:
        if self.free is not None and self.it:
            self.free(self.it)


class Gnutls:
    """The functions of `postshake.gnutls`, of libgnutls."""

    gnutls_session_t = Handle
    gnutls_certificate_credentials_t = Handle
    gnutls_psk_client_credentials_t = Handle
    gnutls_psk_server_credentials_t = Handle
    gnutls_anti_replay_t = Handle

    def __init__(self) -> None:
        self.library = _library()
        self.version = self.library.gnutls_check_version(None).decode()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Whatever takes a handle and numbers, and returns a number."""
        function = getattr(self.library, name)

        def call(handle: Any, *arguments: Any) -> Any:
            return function(handle.it if isinstance(handle, Handle) else handle, *arguments)

        return call

    def gnutls_init(self, session: Handle, flags: int) -> int:
        code = self.library.gnutls_init(C.byref(session.it), flags)
        session.free = self.library.gnutls_deinit
        return int(code)

    def gnutls_priority_set_direct(self, session: Handle, text: str) -> int:
        return int(self.library.gnutls_priority_set_direct(session.it, text.encode(), None))

    def gnutls_certificate_allocate_credentials(self, credentials: Handle) -> int:
        call = self.library.gnutls_certificate_allocate_credentials
        code = call(C.byref(credentials.it))
        credentials.free = self.library.gnutls_certificate_free_credentials
        return int(code)

    def gnutls_certificate_set_x509_trust_mem(
        self, credentials: Handle, text: bytes, form: int
    ) -> int:
        call = self.library.gnutls_certificate_set_x509_trust_mem
        return int(call(credentials.it, C.byref(Datum.of(text)), form))

    def gnutls_certificate_set_x509_crl_mem(
        self, credentials: Handle, text: bytes, form: int
    ) -> int:
        call = self.library.gnutls_certificate_set_x509_crl_mem
        return int(call(credentials.it, C.byref(Datum.of(text)), form))

    def gnutls_certificate_set_x509_key_mem(
        self, credentials: Handle, cert: bytes, key: bytes, form: int
    ) -> int:
        call = self.library.gnutls_certificate_set_x509_key_mem
        return int(call(credentials.it, C.byref(Datum.of(cert)), C.byref(Datum.of(key)), form))

    def gnutls_credentials_set(self, session: Handle, kind: int, credentials: Handle) -> int:
        session.keep.append(credentials)
        return int(self.library.gnutls_credentials_set(session.it, kind, credentials.it))

    def gnutls_psk_allocate_client_credentials(self, credentials: Handle) -> int:
        code = self.library.gnutls_psk_allocate_client_credentials(C.byref(credentials.it))
        credentials.free = self.library.gnutls_psk_free_client_credentials
        return int(code)

    def gnutls_psk_allocate_server_credentials(self, credentials: Handle) -> int:
        code = self.library.gnutls_psk_allocate_server_credentials(C.byref(credentials.it))
        credentials.free = self.library.gnutls_psk_free_server_credentials
        return int(code)

    def gnutls_psk_set_client_credentials(
        self, credentials: Handle, name: str, key: bytes, form: int
    ) -> int:
        call = self.library.gnutls_psk_set_client_credentials
        return int(call(credentials.it, name.encode(), C.byref(Datum.of(key)), form))

    def gnutls_psk_set_server_credentials_function(
        self, credentials: Handle, callback: Callable[[Any, bytes], bytes | None]
    ) -> None:
        def call(session: int, name: bytes, out: int) -> int:
            key = callback(_borrowed(session), name)
            if key is None:
                return -1
            malloc = C.CFUNCTYPE(C.c_void_p, C.c_size_t).in_dll(self.library, "gnutls_malloc")
            datum = C.cast(out, C.POINTER(Datum)).contents
            datum.data, datum.size = malloc(len(key)), len(key)
            C.memmove(datum.data, key, len(key))
            return 0

        self._keep(credentials, "gnutls_psk_set_server_credentials_function", _PSK(call))

    def gnutls_psk_server_get_username(self, session: Handle) -> str | None:
        name = self.library.gnutls_psk_server_get_username(session.it)
        return name.decode() if name is not None else None

    def gnutls_server_name_set(self, session: Handle, kind: int, name: str) -> int:
        raw = name.encode()
        call = self.library.gnutls_server_name_set
        return int(call(session.it, kind, raw, C.c_size_t(len(raw))))

    def gnutls_alpn_set_protocols(self, session: Handle, protocols: list[bytes]) -> int:
        array = (Datum * len(protocols))(*map(Datum.of, protocols))
        session.keep.append(array)
        call = self.library.gnutls_alpn_set_protocols
        return int(call(session.it, array, len(protocols), 0))

    # --- transport

    def gnutls_transport_set_ptr(self, session: Handle, ptr: Any) -> None:
        session.ptr = ptr

    def gnutls_transport_set_push_function(
        self, session: Handle, push: Callable[[Any, bytes], int]
    ) -> None:
        def call(ptr: Any, data: int, size: int) -> int:
            return self._guarded(session, lambda: push(session.ptr, C.string_at(data, size)))

        self._keep(session, "gnutls_transport_set_push_function", _PUSH(call))

    def gnutls_transport_set_pull_function(
        self, session: Handle, pull: Callable[[Any, int], bytes]
    ) -> None:
        def take(data: int, size: int) -> int:
            piece = pull(session.ptr, size)
            C.memmove(data, piece, len(piece))
            return len(piece)

        def call(ptr: Any, data: int, size: int) -> int:
            return self._guarded(session, lambda: take(data, size))

        self._keep(session, "gnutls_transport_set_pull_function", _PULL(call))
        always = _PULL_TIMEOUT(lambda ptr, milliseconds: 1)
        self._keep(session, "gnutls_transport_set_pull_timeout_function", always)

    def _guarded(self, session: Handle, call: Callable[[], int]) -> int:
        try:
            return call()
        except BlockingIOError:
            number = errno.EAGAIN
        except InterruptedError:
            number = errno.EINTR
        except OSError as error:
            number = error.errno or errno.EIO
        self.library.gnutls_transport_set_errno(session.it, number)
        return -1

    def _keep(self, handle: Handle, name: str, callback: Any) -> None:
        handle.keep.append(callback)
        getattr(self.library, name)(handle.it, callback)

    # --- callbacks

    def gnutls_session_set_verify_function(
        self, session: Handle, callback: Callable[[Any], int]
    ) -> None:
        self._keep(
            session, "gnutls_session_set_verify_function", _VERIFY(lambda _: callback(session))
        )

    def gnutls_certificate_set_verify_function(
        self, credentials: Handle, callback: Callable[[Any], int]
    ) -> None:
        function = _VERIFY(lambda pointer: callback(_borrowed(pointer)))
        self._keep(credentials, "gnutls_certificate_set_verify_function", function)

    def gnutls_certificate_set_retrieve_function(
        self, credentials: Handle, callback: Callable[[Any, Any], None]
    ) -> None:
        """Only for callbacks that return None: nothing is shown."""

        def call(pointer: int, *request: Any) -> int:
            assert callback(_borrowed(pointer), request) is None
            return 0

        self._keep(credentials, "gnutls_certificate_set_retrieve_function", _RETRIEVE(call))

    def gnutls_session_set_verify_cert(self, session: Handle, host: str | None, flags: int) -> None:
        raw = host.encode() if host is not None else None
        session.keep.append(raw)
        self.library.gnutls_session_set_verify_cert(session.it, raw, flags)

    def set_hook(self, session: Handle, hook: Callable[[int, bool, bytes], None]) -> None:
        """Call ``hook(type, incoming, body)`` after each handshake message."""

        def call(pointer: Any, kind: int, when: int, incoming: int, message: int) -> int:
            datum = C.cast(message, C.POINTER(Datum)).contents
            hook(kind, bool(incoming), datum.bytes)
            return 0

        function = _HOOK(call)
        session.keep.append(function)
        any_message, both = C.c_uint(0xFFFFFFFF), C.c_int(0)  # PRE: a request has no POST
        set_hook = self.library.gnutls_handshake_set_hook_function
        set_hook(session.it, any_message, both, function)

    # --- data

    def gnutls_record_send(self, session: Handle, data: bytes) -> int:
        return int(self.library.gnutls_record_send(session.it, data, C.c_size_t(len(data))))

    def gnutls_record_recv(self, session: Handle, buffer: bytearray, size: int) -> int:
        array = (C.c_char * size).from_buffer(buffer)
        return int(self.library.gnutls_record_recv(session.it, array, C.c_size_t(size)))

    def gnutls_certificate_get_peers(self, session: Handle) -> tuple[bytes, ...] | None:
        count = C.c_uint()
        chain = self.library.gnutls_certificate_get_peers(session.it, C.byref(count))
        return tuple(chain[index].bytes for index in range(count.value)) if chain else None

    def gnutls_certificate_get_ours(self, session: Handle) -> bytes | None:
        datum = self.library.gnutls_certificate_get_ours(session.it)
        return datum.contents.bytes if datum else None

    def gnutls_prf_rfc5705(
        self, session: Handle, label: bytes, context: bytes, size: int, out: bytearray
    ) -> int:
        buffer = C.create_string_buffer(size)
        length = C.c_size_t
        code = self.library.gnutls_prf_rfc5705(
            session.it,
            length(len(label)),
            label,
            length(len(context)),
            context,
            length(size),
            buffer,
        )
        out[:] = buffer.raw
        return int(code)

    def gnutls_session_channel_binding(self, session: Handle, kind: int, out: bytearray) -> int:
        datum = Datum()
        call = self.library.gnutls_session_channel_binding
        code = call(session.it, kind, C.byref(datum))
        out[:] = datum.bytes
        return int(code)

    def gnutls_alpn_get_selected_protocol(self, session: Handle, out: bytearray) -> int:
        datum = Datum()
        code = self.library.gnutls_alpn_get_selected_protocol(session.it, C.byref(datum))
        out[:] = datum.bytes
        return int(code)

    def gnutls_certificate_verify_peers2(self, session: Handle, status: Any) -> int:
        return int(self.library.gnutls_certificate_verify_peers2(session.it, C.byref(status)))

    # --- resumption

    def gnutls_session_ticket_key_generate(self, out: bytearray) -> int:
        datum = Datum()
        code = self.library.gnutls_session_ticket_key_generate(C.byref(datum))
        out[:] = datum.bytes
        return int(code)

    def gnutls_session_ticket_enable_server(self, session: Handle, key: bytes) -> int:
        datum = Datum.of(key)
        session.keep.append(datum)
        return int(self.library.gnutls_session_ticket_enable_server(session.it, C.byref(datum)))

    def gnutls_session_get_data2(self, session: Handle, out: bytearray) -> int:
        datum = Datum()
        code = self.library.gnutls_session_get_data2(session.it, C.byref(datum))
        out[:] = datum.bytes
        return int(code)

    def gnutls_session_set_data(self, session: Handle, data: bytes) -> int:
        return int(self.library.gnutls_session_set_data(session.it, data, C.c_size_t(len(data))))

    def gnutls_record_send_early_data(self, session: Handle, data: bytes) -> int:
        call = self.library.gnutls_record_send_early_data
        return int(call(session.it, data, C.c_size_t(len(data))))

    def gnutls_record_recv_early_data(self, session: Handle, buffer: bytearray, size: int) -> int:
        array = (C.c_char * size).from_buffer(buffer)
        call = self.library.gnutls_record_recv_early_data
        return int(call(session.it, array, C.c_size_t(size)))

    def gnutls_anti_replay_init(self, anti_replay: Handle) -> int:
        code = self.library.gnutls_anti_replay_init(C.byref(anti_replay.it))
        anti_replay.free = self.library.gnutls_anti_replay_deinit
        return int(code)

    def gnutls_anti_replay_set_add_function(
        self, anti_replay: Handle, callback: Callable[[int, bytes, bytes], int]
    ) -> None:
        def call(pointer: int, expires: int, key: int, data: int) -> int:
            both = (C.cast(each, C.POINTER(Datum)).contents.bytes for each in (key, data))
            return callback(expires, *both)

        self._keep(anti_replay, "gnutls_anti_replay_set_add_function", _ADD(call))

    def gnutls_anti_replay_enable(self, session: Handle, anti_replay: Handle) -> None:
        session.keep.append(anti_replay)
        self.library.gnutls_anti_replay_enable(session.it, anti_replay.it)

    # --- errors

    def gnutls_error_is_fatal(self, code: int) -> bool:
        return bool(self.library.gnutls_error_is_fatal(code))

    def gnutls_error_to_alert(self, code: int, level: Any) -> int:
        return int(self.library.gnutls_error_to_alert(code, C.byref(level)))

    def gnutls_strerror_name(self, code: int) -> str | None:
        name = self.library.gnutls_strerror_name(code)
        return name.decode() if name else None


def _borrowed(pointer: int) -> Handle:
    """A handle for a session that somebody else owns."""
    handle = Handle()
    handle.it = C.c_void_p(pointer)
    return handle
