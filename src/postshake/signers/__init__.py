"""Keys that live elsewhere, or that one waits for."""
