"""Printouts of a collection, which load no data."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from reprlib import Repr

from xgamma.datasets.member import Member
from xgamma.datasets.models import apply_to
from xgamma.models import Models

__all__ = ["brief", "html", "summary"]

_BRIEF = Repr()
_BRIEF.maxlist = 8


def _rows(members: Sequence[Member], models: Models | None) -> list[dict[str, str]]:
    stored: dict[str, Models] = {}
    rows = []
    for member in members:
        chosen = models
        if chosen is None:
            text = member.models
            if text not in stored:
                stored[text] = Models.from_yaml(text, True, f"the models of dataset {member.name!r}")
            chosen = stored[text]
        names = [model.name for model in apply_to(chosen, member.name)]
        instruments = sorted({str(value) for value in member.meta.get("TELESCOP", ())})
        rows.append(
            {
                "Type": member.type,
                "Name": member.name,
                "Instrument": ", ".join(instruments),
                "Models": str(names) if names else "",
            }
        )
    return rows


def brief(members: Sequence[Member]) -> str:
    """Return the names in a line."""
    return f"Datasets({_BRIEF.repr([member.name for member in members])})"


def summary(members: Sequence[Member], models: Models | None) -> str:
    """Return a block for each member.

    Parameters
    ----------
    members : sequence of Member
        What to print.
    models : Models or None
        The models of the collection, None if each has those that it stores.
    """
    lines = ["Datasets", "--------", ""]
    for number, row in enumerate(_rows(members, models)):
        lines += [f"Dataset {number}:", ""]
        lines += [f"  {label:<11}: {value}".rstrip() for label, value in row.items()]
        lines.append("")
    return "\n".join(lines)


def html(members: Sequence[Member], models: Models | None) -> str:
    """Return a table for notebooks, in which all text is escaped.

    Parameters
    ----------
    members, models
        As for `summary`.
    """
    labels = ("Type", "Name", "Instrument", "Models")
    style = "style='text-align: left'"
    head = "".join(f"<th {style}>{label}</th>" for label in ("", *labels))
    body = "".join(
        f"<tr><th>{number}</th>" + "".join(f"<td {style}>{escape(row[label])}</td>" for label in labels) + "</tr>"
        for number, row in enumerate(_rows(members, models))
    )
    return f"<div class='xgamma-datasets'><h4>Datasets</h4><table><tr>{head}</tr>{body}</table></div>"
