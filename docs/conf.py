"""The documentation: `make docs`, or `sphinx-build -W -j auto docs docs/_build/html`."""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))


def fingerprint() -> str:
    """Of the package: executed pages are kept for as long as neither they nor the package change."""
    files = sorted((HERE.parent / "src" / "ranvier").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


project = "Ranvier"
author = "The Ranvier developers"
project_copyright = "The Ranvier developers"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "ranvier_mathml",
    "ranvier_pages",
]
exclude_patterns = ["_build", "_ext", "README.md"]
default_role = "code"  # the docstrings write code between single backticks
nitpicky = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_in_temp = True  # what a page writes is gone with it, and cannot stand in the way of the next build
nb_execution_cache_path = str(HERE / "_build" / f"executed-{fingerprint()}")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_typehints = "none"  # the docstrings say what the arguments are
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Class attributes", "params_style")]

html_theme = "pydata_sphinx_theme"
html_title = "Ranvier"
html_static_path = ["_static"]
html_css_files = ["ranvier.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "Ranvier"},
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
