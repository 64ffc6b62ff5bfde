"""`islet validate`: whether the figures are right, as a report that a clinician can read."""

import sys

from clinical.outcomes.validation import report, run


def validate() -> int:
    """Print each definition with its cases, expected and got. 0 if all are right, else 1."""
    checked = run()
    sys.stdout.write(report(checked))
    return 0 if all(each.right for each in checked) else 1
