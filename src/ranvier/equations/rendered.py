"""The equations of a model, written in plain text, as MathML: browsers draw it by themselves, without a script."""

from __future__ import annotations

import re
from html import escape

TOKEN = re.compile(
    r"\s*(?:d ?(?P<slope>[A-Za-z]\w*)/dt\b"
    r"|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<name>[^\W\d][\w']*)"
    r"|(?P<sign><=|>=|[-+*/^()\[\]=<>,.]))"
)
GREEK = {"alpha": "α", "beta": "β", "epsilon": "ε", "gamma": "γ", "delta": "δ", "lambda": "λ", "mu": "μ", "sigma": "σ", "tau": "τ"}
FUNCTIONS = {"exp", "log", "tanh", "cosh", "sqrt", "max", "min", "floor", "trunc", "abs"}
WORDS = set(
    re.findall(
        r"\S+",
        "above after and are arrived arrives at before below between current's decays else for held holds in is it its itself linear of "
        "one spike spikes start step sum the then there to while with",
    )
)
"""Words that no equation has as names: what stands beside one is a sentence."""


def mathml(text: str) -> str:
    """Equations as one `<math>` element each, below each other.

    Names are kept as the parameters have them. What is a sentence stays one.

    Args:
        text: such as a model's `equations`: one a line, or several with two spaces after a comma or a semicolon.
            A space before a parenthesis is a product, none a function.

    Example:
        >>> mathml("dV/dt = a^2 (b - V)").count("<mfrac>")
        1
        >>> "<msub><mi>I</mi><mi>input</mi></msub>" in mathml("I_input = 0.5")
        True
    """
    joined = re.sub(r",\n\s+", ",  ", text)
    parts = [part.strip() for line in joined.splitlines() for part in re.split(r"[,;]  +", line) if part.strip()]
    return "\n".join(f'<div><math displaystyle="true">{_statement(part)}</math></div>' for part in parts)


def _statement(text: str) -> str:
    return "<mtext>:&nbsp;</mtext>".join(_side(side) for side in text.replace("`", "").split(": "))


def _side(text: str) -> str:
    try:
        return _Reader(text).whole()
    except ValueError:
        return f"<mtext>{escape(text)}</mtext>"


class _Reader:
    """Reads by precedence: comparisons, sums, products and quotients, products without a sign, powers."""

    def __init__(self, text: str):
        self.tokens: list[tuple[str, str, bool]] = []  # kind, text, whether a space stood before it
        at = 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if not found:
                raise ValueError(text)
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind], text[at] == " "))
            at = found.end()
        self.at = 0

    def whole(self) -> str:
        out = ""
        while self.at < len(self.tokens):
            if self._next(",", ".", "=", "<", ">", "<=", ">="):
                sign = self._take()
                out += f"<mo>{escape({'<=': '≤', '>=': '≥'}.get(sign, sign))}</mo>" if sign not in ",." else f"<mtext>{sign}&nbsp;</mtext>"
            else:
                out += self._sum()
        return out

    def _next(self, *signs: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][0] == "sign" and self.tokens[self.at][1] in signs

    def _take(self) -> str:
        if self.at >= len(self.tokens):
            raise ValueError("the equation ends too early")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _sum(self) -> str:
        out = ""
        if self._next("-", "+"):
            out = f"<mo form='prefix'>{self._take().replace('-', '−')}</mo>"
        out += self._product()
        while self._next("-", "+"):
            out += f"<mo>{self._take().replace('-', '−')}</mo>" + self._product()
        return out

    def _product(self) -> str:
        out = self._factors()
        while self._next("*", "/"):
            if self._take() == "*":
                out += f"<mo>⋅</mo>{self._factors()}"
            else:
                out = f"<mfrac><mrow>{_bare(out)}</mrow><mrow>{_bare(self._factors())}</mrow></mfrac>"
        return out

    def _factors(self) -> str:
        """Names, numbers and parentheses beside each other: a product, or a sentence."""
        words = self._sentence()
        if words:
            return words
        out = self._power()
        while self.at < len(self.tokens) and (self.tokens[self.at][0] != "sign" or self._next("(", "[")):
            out += f'<mspace width="0.2em"/>{self._sentence() or self._power()}'
        return out

    def _sentence(self) -> str:
        """Names of which one is a word, or that are all long: they are no product."""
        stop = self.at
        while stop < len(self.tokens) and self.tokens[stop][0] == "name" and self.tokens[stop][1] not in FUNCTIONS:
            stop += 1
        names = [name for _, name, _ in self.tokens[self.at : stop]]
        long = len(names) > 1 and all(len(name.split("_")[0]) > 3 for name in names)
        if not (long or WORDS & set(names)):
            return ""
        self.at = stop
        return f"<mtext>{escape(' '.join(names))}</mtext>" + ("<mtext>&nbsp;</mtext>" if stop < len(self.tokens) else "")

    def _power(self) -> str:
        base = self._atom()
        if not self._next("^"):
            return base
        self._take()
        sign = self._take().replace("-", "−") if self._next("-") else ""
        above = self._atom()
        return f"<msup><mrow>{base}</mrow><mrow>{f'<mo>{sign}</mo>' if sign else ''}{_bare(above)}</mrow></msup>"

    def _atom(self) -> str:
        if self._next("(", "["):
            return self._group()
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        if kind in ("sign", "end"):
            raise ValueError("an operand is missing")
        text = self._take()
        if kind == "number":
            return f"<mn>{text}</mn>"
        if kind == "slope":
            apart = '<mspace width="0.2em"/>' if len(text) > 1 else ""
            return f"<mfrac><mrow><mi>d</mi>{apart}{_name(text)}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"
        called = self._next("(", "[") and not self.tokens[self.at][2]
        return _name(text) + (self._group() if called else "")

    def _group(self) -> str:
        opening = self._take()
        inside = self._sum()
        while self._next(","):
            self._take()
            inside += f"<mo>,</mo>{self._sum()}"
        if not self._next({"(": ")", "[": "]"}[opening]):
            raise ValueError("a parenthesis is not closed")
        return f"<mrow><mo>{opening}</mo>{inside}<mo>{self._take()}</mo></mrow>"


def _bare(group: str) -> str:
    """A group without its parentheses, which a fraction's bar and a power's height replace."""
    inside = group.removeprefix("<mrow><mo>(</mo>").removesuffix("<mo>)</mo></mrow>")
    alone = len(inside) == len(group) - len("<mrow><mo>(</mo><mo>)</mo></mrow>") and "<mo>)</mo></mrow>" not in _outside(inside)
    return inside if alone else group


def _outside(inside: str) -> str:
    """What of it is closed without having been opened."""
    depth = 0
    for found in re.finditer(r"<mrow><mo>\(</mo>|<mo>\)</mo></mrow>", inside):
        depth += 1 if found[0].startswith("<mrow>") else -1
        if depth < 0:
            return found[0]
    return ""


def _name(text: str) -> str:
    base, _, below = text.partition("_")
    numbered = re.fullmatch(r"([A-Za-z])(\d)", text)
    if numbered:
        return f"<msub><mi>{numbered[1]}</mi><mn>{numbered[2]}</mn></msub>"
    if below and (len(base) == 1 or base in GREEK):
        return f"<msub><mi>{GREEK.get(base, base)}</mi><mi>{escape(below)}</mi></msub>"
    return f"<mi>{GREEK.get(text, escape(text))}</mi>"
