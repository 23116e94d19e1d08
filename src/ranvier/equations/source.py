"""What a user wrote, and errors that point into it."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from ranvier.errors import RanvierError

MOST_CHARACTERS = 20_000
MOST_SHOWN = 120
Error = TypeVar("Error", bound=RanvierError)


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a text.

    Attributes:
        what: what the text is, for errors: the argument that it was given as.
        text: all of it.
        start, end: where the part begins and ends.
    """

    what: str
    text: str
    start: int
    end: int

    @classmethod
    def of(cls, text: str, what: str) -> Span:
        """All of a text."""
        return cls(what, text, 0, len(text))

    @property
    def own(self) -> str:
        """The part itself."""
        return self.text[self.start : self.end]

    def part(self, start: int, end: int) -> Span:
        """A part of the part, counted from its beginning, without the blanks around it."""
        begin, stop = self.start + start, self.start + end
        while begin < stop and self.text[begin].isspace():
            begin += 1
        while stop > begin and self.text[stop - 1].isspace():
            stop -= 1
        return dataclasses.replace(self, start=begin, end=stop)

    def refused(self, kind: type[Error], message: str) -> Error:
        """An error that shows the line with a caret under this part.

        Example:
            >>> from ranvier.errors import ParameterError
            >>> print(Span.of("a + b", "equations").part(4, 5).refused(ParameterError, "'b' is unknown."))
            equations: 'b' is unknown.
                a + b
                    ^
        """
        begin = self.text.rfind("\n", 0, self.start) + 1
        stop = self.text.find("\n", self.start)
        stop = len(self.text) if stop < 0 else stop
        line = self.text[begin:stop]
        begin += len(line) - len(line.lstrip())
        shown, before = self.text[begin:stop].rstrip(), self.start - begin
        if before > MOST_SHOWN // 2 and len(shown) > MOST_SHOWN:  # a long line: what is around the place
            cut = before - MOST_SHOWN // 2
            shown, before = "…" + shown[cut:], before - cut + 1
        under = max(1, min(min(self.end, stop) - self.start, MOST_SHOWN - before))
        number = self.text.count("\n", 0, self.start) + 1
        place = f", line {number}" if "\n" in self.text.strip() else ""
        shown = shown if len(shown) <= MOST_SHOWN else shown[:MOST_SHOWN] + "…"
        return kind(f"{self.what}{place}: {message}\n    {shown}\n    {' ' * before}{'^' * under}")
