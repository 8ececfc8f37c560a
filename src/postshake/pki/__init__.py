"""Credentials, trust, names, and the choice among certificates."""
