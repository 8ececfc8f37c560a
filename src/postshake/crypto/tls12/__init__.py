"""Keys and numbers that only TLS 1.2 has."""
