"""The report: one HTML file with everything in it, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light; }}
body {{ font: 16px/1.55 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 0.25rem; }}
h2 {{ font-size: 1.15rem; margin: 2.25rem 0 0.5rem; }}
p.source, figcaption {{ color: #555; }}
table {{ border-collapse: collapse; }}
td {{ overflow-wrap: anywhere; }}
td, th {{ text-align: left; vertical-align: top; padding: 0.2rem 1.5rem 0.2rem 0; font-weight: normal; }}
th {{ color: #555; white-space: nowrap; }}
tr + tr > * {{ border-top: 1px solid #e5e5e5; }}
figure {{ margin: 0; }}
img {{ max-width: 100%; height: auto; }}
figcaption {{ font-size: 0.9rem; max-width: 48rem; }}
@media print {{ body {{ margin: 0; }} figure {{ break-inside: avoid; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{source}
{words}
<h2>The run</h2>
{summary}
{figures}
<h2>Parameters</h2>
{parameters}
<h2>Files</h2>
{files}
</body>
</html>
"""


def write(
    path: Path,
    *,
    title: str,
    source: str,
    words: Sequence[str],
    summary: Sequence[tuple[str, str]],
    figures: Sequence[tuple[str, str, Path]],
    parameters: Sequence[tuple[str, str]],
    files: Sequence[tuple[str, str]],
) -> None:
    """Writes the report.

    Args:
        path: of the file.
        title, source: what ran, and the paper it is from.
        words: paragraphs on what is seen.
        summary, parameters, files: rows of tables, as (name, value).
        figures: heading, caption and PNG file of each picture.
    """
    page = _PAGE.format(
        title=escape(title),
        source=f'<p class="source">{escape(source)}</p>' if source else "",
        words="\n".join(f"<p>{escape(text)}</p>" for text in words),
        summary=_table(summary),
        figures="\n".join(_figure(*figure) for figure in figures),
        parameters=_table(parameters),
        files=_table(files),
    )
    path.write_text(page, encoding="utf-8")


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows) + "</table>"


def _figure(heading: str, caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<h2>{escape(heading)}</h2>\n<figure><img alt="{escape(f"{heading}. {caption}", quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
