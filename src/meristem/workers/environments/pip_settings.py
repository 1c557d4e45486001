"""Where packages come from: pip's own settings, for uv, which does not read them."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_NAMES = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "pre")
_SECTIONS = ("global", "install")


def read_settings(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings from its files, later ones before earlier ones, and from `PIP_…` variables before all.

    Args:
        texts: What stands in the files; what cannot be read is passed over, as its owner finds out with pip.
    """
    found: dict[str, str] = {}
    for text in texts:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                found |= {name.replace("_", "-"): value for name, value in parser.items(section) if value}
    for name in _NAMES:
        if value := environ.get("PIP_" + name.upper().replace("-", "_")):
            found[name] = value
    return {name: value for name, value in found.items() if name in _NAMES}


def uv_options(settings: Mapping[str, str], environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The options of `uv pip install` and the variables that mean the same as pip's settings.

    What the worker's owner told uv itself (`UV_…`) stands.
    """
    options: list[str] = []
    variables: dict[str, str] = {}
    if _true(settings.get("no-index")):
        options.append("--no-index")
    if not {"UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL"} & environ.keys():
        if url := settings.get("index-url"):
            options += ["--default-index", url.strip()]
        extra = settings.get("extra-index-url", "").split()
        for url in extra:
            options += ["--index", url]
        if extra and "UV_INDEX_STRATEGY" not in environ:
            options += ["--index-strategy", "unsafe-best-match"]  # as pip chooses: the best of all indexes
    if "UV_FIND_LINKS" not in environ:
        for place in settings.get("find-links", "").split():
            options += ["--find-links", place]
    for host in settings.get("trusted-host", "").split():
        options += ["--allow-insecure-host", host]
    if _true(settings.get("pre")):
        options += ["--prerelease", "allow"]
    if (cert := settings.get("cert")) and "SSL_CERT_FILE" not in environ:
        variables["SSL_CERT_FILE"] = cert.strip()
    return options, variables


def texts_of_files(environ: Mapping[str, str]) -> list[str]:
    """The contents of pip's files on this machine, in the order in which they count: the last most."""
    texts = []
    for path in _places(environ):
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return texts


def _places(environ: Mapping[str, str]) -> Sequence[Path]:
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    dirs = [Path(part) for part in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if part]
    places = [folder / "pip" / "pip.conf" for folder in dirs]
    places += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    places.append(Path(sys.prefix) / "pip.conf")
    if given := environ.get("PIP_CONFIG_FILE"):
        if given == os.devnull:
            return []
        places.append(Path(given))
    return places


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes", "on")
