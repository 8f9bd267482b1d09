"""Settings of the documentation site: ``sphinx-build -W docs site``."""

from xbarsim import __version__

project = "xbarsim"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_show_copyright = False
html_title = f"xbarsim {release}"
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"
exclude_patterns = ["_build"]


def escape_stars(app, what, name, thing, options, lines):
    """Keep shapes such as (images, *input_shape) from being read as emphasis."""
    lines[:] = [line.replace("*input_shape", r"\*input_shape") for line in lines]


def setup(app):
    """Prepare docstrings before napoleon reads them."""
    app.connect("autodoc-process-docstring", escape_stars, priority=100)
