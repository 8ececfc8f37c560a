"""Pumps between a Connection and a transport."""
