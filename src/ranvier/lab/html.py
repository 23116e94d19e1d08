"""The page of a scene: one document, with its code, its numbers and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

ENGINE = ("random.js", "engine.js")
WORKER = ("worker.js",)
PAGE = ("plots.js", "controls.js", "python.js", "scene.js")
FRAME_HEIGHT = 900


def source(name: str) -> str:
    """A file of the page; of a program without its comments and its indentation."""
    text = files("ranvier.lab").joinpath("page", name).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    comments = ("// ", "/**", "* ", "*/") if name.endswith(".js") else ("/*",)
    return "\n".join(line for line in lines if line and not line.startswith(comments)) + "\n"


def model_script(facts: Mapping[str, Any], code: Mapping[str, str]) -> str:
    """What the page knows of the model: `SCENE`, and its functions `PARTS`."""
    functions = ",\n".join(f"{as_json(key)}:{text}" for key, text in code.items())
    return f"const SCENE={as_json(facts)};\nconst PARTS={{\n{functions}\n}};\n"


def as_json(value: Any) -> str:
    """JSON that may stand inside a script: no `<` that could end it, no line separator that old engines refuse.

    Example:
        >>> as_json("</script>")
        '"\\\\u003c/script>"'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page(title: str, facts: Mapping[str, Any], code: Mapping[str, str], equations: str = "") -> str:
    """The whole document. The policy names the hash of each script and of the style; nothing else runs, nothing is fetched."""
    scripts = {
        "engine": "".join(source(name) for name in ENGINE),
        "model": model_script(facts, code),
        "worker": "".join(source(name) for name in WORKER),
        "page": '"use strict";\n' + "".join(source(name) for name in PAGE),
    }
    style = source("style.css")
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(_hash(text) for text in scripts.values()),
            "style-src " + _hash(style),
            "worker-src blob:",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    written = "\n".join(f'<script id="{name}">{text}</script>' for name, text in scripts.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main id="scene"><noscript>This scene is a program; the browser has scripts turned off.</noscript></main>
{f'<template id="equations">{equations}</template>' if equations else ""}
{written}
</body>
</html>
"""


def policy_of(document: str) -> str:
    """The policy that a page carries."""
    return document.split('Content-Security-Policy" content="', 1)[1].split('"', 1)[0]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def frame(title: str, document: str) -> str:
    """The document inside a frame that may run its own scripts and offer its own files, and nothing else."""
    attributes = f'title="{html.escape(title)}" sandbox="allow-scripts allow-downloads" height="{FRAME_HEIGHT}"'
    return f'<iframe {attributes} style="width:100%;border:0" srcdoc="{html.escape(document)}"></iframe>'
