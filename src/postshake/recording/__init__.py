"""What happened on a connection: recorded, and shown as a ladder, a page or an image."""

from .recording import FORMAT, LONGEST, MAX_LINES, Recording, describe, facts_of

__all__ = ["FORMAT", "LONGEST", "MAX_LINES", "Recording", "describe", "facts_of"]
