"""Roles for prose: ``{measured}`` prints a number of a record, ``{verdict}`` one of four words."""

from __future__ import annotations

import re
from math import isfinite

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from bookext import evidence, numbers, site
from bookext.html import element
from onebasin import claims
from onebasin.ledger import Measured as Quantity
from onebasin.records import Interval, Record

LOG = logging.getLogger(__name__)
VERDICTS = ("reproduced", "same direction", "not reproduced", "not run")
_FORM = re.compile(
    r"(?P<chapter>[\w/-]+)/(?P<experiment>[\w-]+)\.(?P<method>[\w-]+(?: \+ [\w-]+)*)"
    r":(?P<metric>\w+)"
    r"(?::(?P<form>[^@]*))?(?:@(?P<profile>\w+))?"
)


def badge(verdict: str) -> nodes.Node:
    """A verdict as a word with a sign and a colour."""
    return element("span", verdict, class_=f"ob-badge ob-{verdict.replace(' ', '-')}")


def shown(record: Record, metric: str, form: str | None) -> tuple[str, str]:
    """The printed value of a metric, and the sentence that says where it comes from."""
    if not any(isfinite(value) for value in record.metrics[metric].values):
        return "none", f"no finite value in record {record.id}"
    found: Interval | Quantity = record.interval(metric)
    unit, word = record.metrics[metric].unit, "mean of n"
    outcome = evidence.outcomes(record.experiment).get(record.profile)
    if outcome is not None and outcome.record == record:
        # The metrics of a claim's record are summaries: their intervals are the outcome's.
        found, word = outcome.measured[metric], "n"
    text = (
        format(found.value, form) if form and isfinite(found.value) else numbers.number(found.value)
    )
    around = f", 95 % interval {numbers.number(found.lo)} to {numbers.number(found.hi)}"
    around = around if found.hi > found.lo else ""
    unit = "" if unit == "1" else f" {unit}"
    origin = f"{record.chapter}/{record.experiment}.{record.method}, profile {record.profile}"
    return numbers.sign(text), f"{word} = {found.n}{around}{unit}; record {record.id}: {origin}"


class Measured(SphinxRole):
    """``chapter/experiment.method:metric:.3f@profile``: a mean of that record, or a claim's value.

    Format and profile may be left out; the profile is then the one being built. ``@largest`` takes
    the largest profile that has a record. Without a record the text is "not run", as it is for a
    quantity of a claim that has a reason in place of a verdict.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Look the number up."""
        found = _FORM.fullmatch(self.text.strip())
        if found is None:
            message = (
                f"measured: {self.text!r} is not chapter/experiment.method:metric:format@profile"
            )
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        evidence.mark(self.env)
        profile = found["profile"] or site.current().profile
        names = (found["chapter"], found["experiment"], found["method"])
        tried = reversed(site.PROFILES) if profile == "largest" else [profile]
        record = next(filter(None, (evidence.record(*names, one) for one in tried)), None)
        if record is None:
            title = f"no record {'/'.join(names[:2])}.{names[2]} at profile {profile}"
            return [element("span", numbers.MISSING, class_="ob-missing", title=title)], []
        if found["metric"] not in record.metrics:
            row, reason = claims.load().get(record.experiment), record.outcome.get("reason")
            if reason and row is not None and found["metric"] in row.measures:
                return [element("span", numbers.MISSING, class_="ob-missing", title=reason)], []
            message = f"measured: record {self.text!r} has only {sorted(record.metrics)}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        text, title = shown(record, found["metric"], found["form"])
        return [element("span", text, class_="ob-measured", title=title)], []


class Verdict(SphinxRole):
    """One of the four verdicts as the tables show it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Make the badge."""
        word = self.text.strip()
        if word not in VERDICTS:
            message = f"verdict: {word!r} is none of {', '.join(VERDICTS)}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        return [badge(word)], []


def setup(app: Sphinx) -> None:
    """Register the roles."""
    app.add_role("measured", Measured())
    app.add_role("verdict", Verdict())
