"""Records: the byte stream cut up, protected, and put together as messages (§5)."""
