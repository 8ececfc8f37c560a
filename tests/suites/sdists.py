"""Fetches source distributions, for the tests that are in them; nothing is built or installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CACHE", "Sdist", "Unreachable"]

CACHE = Path(__file__).parent.parent.parent / "build" / "suites"

# pip asks an sdist for its metadata before it keeps it, and for that installs what builds
# it: with uvloop, that means minutes of Cython. What the sdist says itself does as well.
_BACKEND = """
import pathlib, shutil

class _Backend:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        folder = pathlib.Path.cwd().name.replace("-", "_", 1) + ".dist-info"
        (pathlib.Path(metadata_directory) / folder).mkdir()
        shutil.copy("PKG-INFO", pathlib.Path(metadata_directory) / folder / "METADATA")
        return folder

get_requires_for_build_wheel = _Backend.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = _Backend.prepare_metadata_for_build_wheel
__legacy__ = _Backend
"""
_BACKENDS = ("hatchling/build.py", "setuptools/build_meta.py")


class Unreachable(Exception):
    """No package index has it, or none answers."""


@dataclass(frozen=True)
class Sdist:
    """One release of a project."""

    name: str
    version: str
    sha256: str

    def folder(self) -> Path:
        """Return where it is unpacked; fetch it first, if it is not there yet.

        Raises:
            Unreachable: it cannot be fetched.
            ValueError: what came is another file.
        """
        folder = CACHE / f"{self.name}-{self.version}"
        if not folder.is_dir():
            archive = self._fetch()
            if hashlib.sha256(archive.read_bytes()).hexdigest() != self.sha256:
                archive.unlink()
                raise ValueError(f"{archive.name}: the file is not the one with the hash we know")
            part = CACHE / f"{self.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            with tarfile.open(archive) as tar:
                tar.extractall(part, filter="data")
            (part / folder.name).rename(folder)
            part.rmdir()
        return folder

    def compiled(self) -> Path:
        """Return a folder with the wheel of this release, for this Python."""
        tag = sys.implementation.cache_tag
        folder = CACHE / f"{self.name}-{self.version}-{tag}"
        if not folder.is_dir():
            part = CACHE / f"{self.name}-{tag}.part"
            shutil.rmtree(part, ignore_errors=True)
            wanted = f"{self.name}=={self.version}"
            _pip("install", "--no-deps", "--only-binary", ":all:", "--target", str(part), wanted)
            part.rename(folder)
        return folder

    def _fetch(self) -> Path:
        archive = CACHE / f"{self.name}-{self.version}.tar.gz"
        if not archive.is_file():
            # a folder of its own: several processes fetch at a time
            with tempfile.TemporaryDirectory() as folder:
                for name in _BACKENDS:
                    path = Path(folder, name)
                    path.parent.mkdir()
                    path.write_text(_BACKEND, encoding="utf-8")
                    (path.parent / "__init__.py").touch()
                _pip(
                    *("download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
                    *("--dest", str(CACHE), f"{self.name}=={self.version}"),
                    PYTHONPATH=folder,
                )
        return archive


def _pip(*arguments: str, **environment: str) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    # what is pinned for our own environment is no rule for what others are tested with
    clean = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise Unreachable(done.stdout.strip())
