"""Keys and numbers: what TLS computes, without knowing a single message."""
