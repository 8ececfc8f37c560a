"""Messages encoded and decoded: no state, no policy, no I/O.

A *message* decodes from its whole body and is done with it: ``decode(body)``
raises when bytes are left over. A *part* of a message, such as an extension,
decodes from a :class:`~postshake.wire.codec.Reader` and leaves the rest. Both
encode to bytes, and both are frozen, so one that exists may be shared.

What is judged here is what the bytes alone can tell: lengths, duplicates, which
extension may stand in which message, and values that no context makes legal.
Everything else is for the flows, which know what was offered.
"""
