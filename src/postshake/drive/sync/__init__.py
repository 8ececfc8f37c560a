"""A blocking socket with TLS on it."""

from .stream import Answerer, Stream

__all__ = ["Answerer", "Stream"]
