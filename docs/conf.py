"""Sphinx: how the pages in this folder become a site. Nothing here needs a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import zobench

project = "zobench"
author = copyright = "The zobench authors"
version = release = zobench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "public_names",  # the reference of Python names
    "registry_pages",  # the reference of estimators, objectives, suites and commands
    "boards",  # rows of leaderboards
    "gallery",  # pages from the scripts of gallery/
    "mathml",  # formulas without JavaScript
]
exclude_patterns = ["_build", "_ext", "_static", "_templates", "conf.py", "gallery/output"]
nitpicky = True

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autoclass_content = "both"  # also what a constructor takes
autodoc_typehints = "signature"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # a section "Attributes" beside documented properties
default_role = "code"  # docstrings write `name`

html_theme = "pydata_sphinx_theme"
html_title = "zobench"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["zobench.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"**": ["contents.html"]}
html_theme_options = {
    "github_url": "https://github.com/zobench/zobench",
    "navbar_center": [],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
