"""Formulas as MathML, which browsers draw themselves: nothing is fetched when a page is read."""

from latex2mathml.converter import convert


def _text(formula):
    # what the converter does not know, in words that it does
    return formula.replace(r"\varphi", "φ").replace(r"\lvert", "|").replace(r"\rvert", "|")


def visit_inline(translator, node):
    translator.body.append(convert(_text(node.astext()), display="inline"))
    raise _skip()


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="formula notranslate nohighlight"))
    translator.body.append(convert(_text(node.astext()), display="block"))
    translator.body.append("</div>")
    raise _skip()


def _skip():
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
