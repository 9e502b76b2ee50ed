"""The ``onebasin`` command: run the chapters, build the book, keep and compare its results."""

from __future__ import annotations

from onebasin.cli.main import app, main

__all__ = ["app", "main"]
