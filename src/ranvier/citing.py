"""What to cite for a run: Ranvier, and every model and rule in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ranvier import doors
from ranvier.model import Model
from ranvier.versions import own_version

SIMULATOR = """@software{{ranvier,
  title = {{Ranvier: a simulator of networks of biological neurons}},
  author = {{{{The Ranvier developers}}}},
  version = {{{version}}},
  note = {{Apache-2.0}}
}}"""

PAPER = re.compile(
    r"(?P<authors>.+?) (?P<year>\d{4})"
    r"(?:, (?P<venue>.+?)(?: (?P<volume>\d+[A-Z]?):(?P<page>\w+))?)?"
    r"(?:[,:] .*| \(PSST\).*)?$"
)


def cite(what: Any) -> str:
    """BibTeX for Ranvier and for the published models that something is made of.

    Args:
        what: a run, a network, a population, or a model.

    Returns:
        The entries; `print` them, or write them to a file.

    Example:
        >>> import ranvier as rv
        >>> print(rv.cite(rv.channels.Leak()).split("\\n\\n")[1])
        @article{hodgkin_huxley_1952,
          author = {Hodgkin and Huxley},
          year = {1952},
          journal = {J Physiol},
          volume = {117},
          pages = {500},
          note = {Leak}
        }
    """
    if not list(_models(what)) and not hasattr(what, "populations"):
        raise doors.refusal("what", what, "a run, a network, a population, a projection or a model")
    papers: dict[str, tuple[dict[str, str], list[str]]] = {}
    for model in _models(what):
        for text in re.split(r"[;\n]\s*", model.reference):
            entry = _entry(text)
            if entry:
                users = papers.setdefault(entry.pop("key"), (entry, []))[1]
                if type(model).__name__ not in users:
                    users.append(type(model).__name__)
    entries = [_bibtex(key, {**entry, "note": ", ".join(users)}) for key, (entry, users) in papers.items()]
    return "\n\n".join([SIMULATOR.format(version=own_version()), *entries])


def _models(what: Any) -> Iterator[Model]:
    """Every model in a run, a network, a population or a projection, and in its parts."""
    if isinstance(what, type) and issubclass(what, Model):
        what = what()
    if isinstance(what, Model):
        yield what
        yield from (model for value in vars(what).values() for model in _models(value))
    elif isinstance(what, Mapping):
        yield from (model for value in what.values() for model in _models(value))
    elif hasattr(what, "populations") and hasattr(what, "projections"):
        yield from _models({**what.populations, **what.projections})
    elif hasattr(what, "network"):
        yield from _models(what.network)
    else:
        for part in ("model", "synapse", "plasticity", "short_term_plasticity", "current"):
            if isinstance(getattr(what, part, None), Model):
                yield from _models(getattr(what, part))


def _entry(reference: str) -> dict[str, str] | None:
    """The fields of an entry from such as `Hodgkin & Huxley 1952, J Physiol 117:500, eq. 6`."""
    text = re.sub(r"^(?:as in|parameters (?:as in|of)|rates as in) ", "", reference.strip())
    found = PAPER.match(text)
    if not found:
        return None
    authors = found["authors"].replace(" et al.", " and others")
    names = [name for name in re.split(r", | & | and ", authors) if name]
    entry = {
        "key": "_".join([*(re.sub(r"\W", "", name.lower()) for name in names[:2] if name != "others"), found["year"]]),
        "author": " and ".join(names),
        "year": found["year"],
    }
    if found["volume"]:
        entry |= {"journal": found["venue"], "volume": found["volume"], "pages": found["page"]}
    elif found["venue"]:
        book = re.sub(r"^in .+ \(eds?\.\), ", "", text.partition(f"{found['year']}, ")[2])
        entry |= {"title": re.split(r"[,:] ", book)[0]}
    return entry


def _bibtex(key: str, entry: Mapping[str, str]) -> str:
    kind = "article" if "journal" in entry else "book" if "title" in entry else "misc"
    return f"@{kind}{{{key},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in entry.items()) + "\n}"
