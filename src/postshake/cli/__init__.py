"""The command line: demo, serve and connect."""
