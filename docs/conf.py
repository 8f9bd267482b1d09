"""Settings of the documentation site: ``sphinx-build -W docs site``."""

import re
import sys
from pathlib import Path

from xbarsim import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "xbarsim"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "accessible"]
html_math_renderer = "mathml"  # no script and no network
html_theme = "furo"
html_show_copyright = False
html_title = f"xbarsim {release}"
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks hold their outputs
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"
napoleon_use_param = napoleon_use_rtype = False  # words of shapes are no names to link to
exclude_patterns = ["_build"]


def escape_stars(app, what, name, thing, options, lines):
    """Keep shapes such as (images, *input_shape) from being read as emphasis."""
    lines[:] = [re.sub(r"(?<![*`\w])\*(?=\w+[,)])", r"\\*", line) for line in lines]


class Attributes:
    """Keep descriptions of attributes from napoleon, which takes what stands before a colon for a type."""

    def __init__(self):
        self.lines = []

    def keep(self, app, what, name, thing, options, lines):
        """Remember a description as it is."""
        self.lines = list(lines)

    def restore(self, app, what, name, thing, options, lines):
        """Put it back."""
        if what in ("attribute", "property", "data") and not any(line.startswith("---") for line in self.lines):
            lines[:] = self.lines


def setup(app):
    """Prepare docstrings before napoleon reads them."""
    attributes = Attributes()
    app.connect("autodoc-process-docstring", escape_stars, priority=100)
    app.connect("autodoc-process-docstring", attributes.keep, priority=200)
    app.connect("autodoc-process-docstring", attributes.restore, priority=900)
