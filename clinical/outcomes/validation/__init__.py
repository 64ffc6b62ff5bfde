"""The validation suite: each definition with cases worked out by hand, run on the spot, as a report for
clinicians.

`report(run())` is the text; `all(each.right for each in run())` the verdict.
"""

from clinical.outcomes.validation.report import Checked, report, run

__all__ = ["Checked", "report", "run"]
