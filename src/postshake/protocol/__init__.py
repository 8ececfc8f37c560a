"""The protocol: which messages are sent and expected, in which order, and what each proves."""
