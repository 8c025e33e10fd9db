"""Text of elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from components.pubmed.markup import plain_text, squeeze

MATH = 'xmlns:m="http://www.w3.org/1998/Math/MathML"'


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<a>plain</a>", "plain"),
        ("<a>the <i>MYB</i> gene</a>", "the MYB gene"),
        ("<a>H<sub>2</sub>O</a>", "H2O"),
        ("<a>10<sup>3</sup> and 10<sup>-6</sup> m</a>", "10^3 and 10^-6 m"),
        ("<a>Ca<sup>2+</sup></a>", "Ca2+"),
        ("<a>5<sup>th</sup></a>", "5th"),
        ("<a>5<sup/>x</a>", "5x"),
        ("<a>one\n   two\t\u00a0three\u2009four</a>", "one two three four"),
        ("<a><p>one</p><p>two</p></a>", "one two"),
        ("<a>x<!-- hidden --> y<?pi hidden?> z</a>", "x y z"),
        ("<a>&lt;b&gt; &amp; &#233;</a>", "<b> & \u00e9"),
        (f"<a {MATH}>is <m:math><m:msup><m:mi>x</m:mi><m:mn>2</m:mn></m:msup></m:math>.</a>",
         "is x^2."),
        (f"<a {MATH}><m:math><m:mfrac><m:mi>a</m:mi><m:mi>b</m:mi></m:mfrac></m:math></a>", "a/b"),
        (f"<a {MATH}><m:math><m:msubsup><m:mi>R</m:mi><m:mi>ad</m:mi><m:mn>2</m:mn></m:msubsup>"
         "</m:math></a>", "R_ad^2"),
        (f"<a {MATH}><m:math><m:msqrt><m:mi>n</m:mi></m:msqrt><m:annotation>tex</m:annotation>"
         "</m:math></a>", "sqrt(n)"),
        (f"<a {MATH}><m:math><m:mfrac><m:mrow><m:mi>a</m:mi><m:mo>+</m:mo><m:mi>b</m:mi></m:mrow>"
         "<m:mfenced><m:mi>c</m:mi><m:mi>d</m:mi></m:mfenced></m:mfrac></m:math></a>",
         "(a+b)/(c,d)"),
        (f"<a {MATH}><m:math><m:msup><m:mi>e</m:mi><m:mrow><m:mo>-</m:mo><m:mi>x</m:mi></m:mrow>"
         "</m:msup></m:math></a>", "e^-x"),
        (f"<a {MATH}><m:math><m:msub><m:mi>x</m:mi><m:mrow><m:mi>i</m:mi><m:mo>,</m:mo><m:mi>k"
         "</m:mi></m:mrow></m:msub></m:math></a>", "x_(i,k)"),
        (f"<a {MATH}><m:math><m:mroot><m:mi>x</m:mi><m:mn>3</m:mn></m:mroot></m:math></a>",
         "x^(1/3)"),
        (r"<a><tex-math>\documentclass{x}\begin{document}$$a = b$$\end{document}</tex-math></a>",
         "a = b"),
    ],
)  # fmt: skip
def test_markup_becomes_text(xml: str, text: str) -> None:
    assert plain_text(etree.fromstring(xml)) == text


def test_nothing_has_no_text() -> None:
    assert plain_text(None) == ""


def test_children_can_be_replaced_or_left_out() -> None:
    element = etree.fromstring("<a>one <b>two</b> <c>three <b>four</b></c> five</a>")
    assert plain_text(element, lambda child: "" if child.tag == "b" else None) == "one three five"


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_survives_but_for_its_white_space(text: str) -> None:
    element = etree.Element("a")
    element.text = text
    assert plain_text(element) == squeeze(text)
