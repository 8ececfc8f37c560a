"""Records: deframing, protection, and reassembly of messages (§5)."""
