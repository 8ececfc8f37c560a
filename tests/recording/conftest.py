"""The commands that show recordings."""

from tests.cli.conftest import as_client, certificates, elsewhere, run, serve, shared, stage, start

__all__ = ["as_client", "certificates", "elsewhere", "run", "serve", "shared", "stage", "start"]
