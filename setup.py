"""Shim for tools that expect the file; all metadata is in pyproject.toml."""

from setuptools import setup

setup()
