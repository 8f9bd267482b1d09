"""Pages of the site get the attributes that axe misses in those of the theme."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_headings_get_a_level_and_code_that_scrolls_a_place_for_the_keyboard():
    sys.path.insert(0, str(DOCS))
    try:
        from accessible import mend_page
    finally:
        sys.path.remove(str(DOCS))
    text = '<p class="caption" role="heading"><span>First</span></p><div><pre>a</pre></div><pre class="b">c</pre>'
    mended = mend_page(text)
    assert mended == (
        '<p class="caption" role="heading" aria-level="2"><span>First</span></p><div><pre tabindex="0">a</pre></div>'
        '<pre class="b">c</pre>'
    )
    assert mend_page(mended) == mended
    assert '"accessible"]' in (DOCS / "conf.py").read_text(encoding="utf-8")
