"""The commands that show recordings."""

from tests.cli.conftest import certificates, elsewhere, run, serve, stage, start

__all__ = ["certificates", "elsewhere", "run", "serve", "stage", "start"]
