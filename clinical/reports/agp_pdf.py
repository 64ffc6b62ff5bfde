"""The AGP report as a PDF of one page: statistics, time in ranges, the daily profile, a picture of each day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from math import isnan
from typing import Final

from clinical.issued import OutcomeStatus
from clinical.outcomes.figures import PERCENTILES
from clinical.reports.agp import PROFILE_BIN_MINUTES, AgpReport, DayCurve
from clinical.reports.sheet import FAINT, GREY, HEIGHT, WIDTH, Paper, Point, Sheet

_COLOURS: Final = {
    "very_high": "#e8a33d",
    "high": "#f3d36b",
    "in_range": "#57a773",
    "low": "#d9534f",
    "very_low": "#8c1c13",
}
_WIDE, _NARROW, _MEDIAN, _TARGET = "#cfe0f1", "#8fb8dd", "#17456f", "#57a773"
_ALARM = "#b3261e"
_STATUS: Final = {
    OutcomeStatus.PARTIAL: "preliminary: the period has not ended",
    OutcomeStatus.FINAL: "",
    OutcomeStatus.AMENDED: "amended: replaces an earlier report of this period",
    OutcomeStatus.ENTERED_IN_ERROR: "withdrawn: every reading that it rested on was",
}
_MOST_DAYS: Final = 14


def agp_pdf(report: AgpReport, paper: Paper = "A4") -> bytes:
    """The report as a PDF; the same bytes for the same report. It is dated with the moment of its outcome."""
    issued = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=report.outcome.at_millis)
    period = report.outcome.period
    sheet = Sheet(paper, f"AGP report, {period.first_day} to {period.last_day}", issued)
    _header(sheet, report, issued)
    _statistics(sheet, report, (0, 672))
    _ranges(sheet, report, (285, 672))
    _profile(sheet, report, Plot(34, 275, WIDTH - 54, 190, 1440, _top(report)))
    _each_day(sheet, report)
    _footer(sheet, report)
    return sheet.finished()


@dataclass(frozen=True, slots=True)
class Plot:
    """A place on the sheet with a scale: minutes from left to right, glucose upwards from 0."""

    x: float
    y: float
    width: float
    height: float
    minutes: float
    top: float

    def at(self, minute: float, glucose: float) -> Point:
        high = self.height * min(glucose, self.top) / self.top
        return self.x + self.width * minute / self.minutes, self.y + high


def _header(sheet: Sheet, report: AgpReport, issued: datetime) -> None:
    outcome, period = report.outcome, report.outcome.period
    first, last = date.fromisoformat(period.first_day), date.fromisoformat(period.last_day)
    sheet.text((0, HEIGHT - 16), "AGP Report", 18, bold=True)
    sheet.text((108, HEIGHT - 16), "Continuous glucose monitoring", 10, colour=GREY)
    said = f"{first:%d %b %Y} to {last:%d %b %Y} ({len(report.days)} days, {period.zone})"
    sheet.text((0, HEIGHT - 34), said, 9, bold=True)
    if report.patient is not None:
        sheet.text((WIDTH, HEIGHT - 16), report.patient, 10, bold=True, align="right")
    sheet.text((WIDTH, HEIGHT - 34), f"Computed {issued:%d %b %Y %H:%M} UTC", 8, colour=GREY, align="right")
    notes = [_STATUS[outcome.status]] if _STATUS[outcome.status] else []
    if not outcome.flags.get("sufficient", False):
        notes.append("data do not suffice to judge goals (at least 70 % of 14 days are needed)")
    if outcome.flags.get("bounded", False):
        notes.append("many readings outside the sensor's range: averages are bounds")
    said = "; ".join(notes)
    sheet.text((0, HEIGHT - 48), said[:1].upper() + said[1:], 8, bold=True, colour=_ALARM)


def _statistics(sheet: Sheet, report: AgpReport, at: Point) -> None:
    sheet.heading(at, "Glucose statistics", 255)
    y = at[1] - 20
    for name, value, beside in _figures(report):
        sheet.text((at[0], y), name, 8.5)
        sheet.text((at[0] + 175, y), value, 9, bold=True, align="right")
        sheet.text((at[0] + 181, y), beside, 7, colour=GREY)
        y -= 15.5


def _figures(report: AgpReport) -> Iterable[tuple[str, str, str]]:
    """What stands in the table: name, value, and a word beside it. What is not known is a dash, never a number."""
    figures, counts, unit = report.outcome.figures, report.outcome.counts, report.unit
    mmol = unit == "mmol/L"

    def told(name: str, form: str = "{:.1f}", suffix: str = "") -> str:
        value = figures.get(name)
        return "-" if value is None or not report.outcome.readings else form.format(value) + suffix

    glucose = "{:.1f}" if mmol else "{:.0f}"
    yield "Time sensor active", told("active_percent", suffix=" %"), "goal: 70 % or more"
    yield "Days of wear", str(counts.get("days_of_wear", 0)), f"of {len(report.days)}"
    yield "Mean glucose", told("mean_mmol_l" if mmol else "mean", glucose, f" {unit}"), ""
    mol = told("gmi_mmol_mol", "{:.0f}")
    yield "Glucose management indicator (GMI)", told("gmi", suffix=" %"), "" if mol == "-" else f"{mol} mmol/mol"
    yield "Glucose variability (CV)", told("cv", suffix=" %"), "stable: 36 % or less"
    yield "Standard deviation", told("sd_mmol_l" if mmol else "sd", glucose, f" {unit}"), ""
    at_night = f"at night: {counts.get('hypo_night_starts', 0)}"
    yield "Low events (15 minutes and more)", str(counts.get("hypo_1", 0)), at_night
    yield "Low events of 2 hours and more", str(counts.get("hypo_prolonged", 0)), ""
    yield "Very low events", str(counts.get("hypo_2", 0)), ""


def _ranges(sheet: Sheet, report: AgpReport, at: Point) -> None:
    """The bar of five bands, from very high down, with shares, time a day, goals."""
    sheet.heading(at, "Time in ranges", 255)
    figures, edges, goals = report.outcome.figures, report.edges, report.goals
    if "in_range" not in figures:
        sheet.text((at[0], at[1] - 20), "No readings in this period.", 9)
        return
    low, high = report.glucose(edges["low"]), report.glucose(edges["high"])
    step = 1 if report.unit == "mg/dL" else 0.1
    rows = {
        "very_high": f"Very high  > {report.glucose(edges['very_high'])}",
        "high": f"High  {report.glucose(edges['high'] + step)}-{report.glucose(edges['very_high'])}",
        "in_range": f"In range  {low}-{high}",
        "low": f"Low  {report.glucose(edges['very_low'])}-{report.glucose(edges['low'] - step)}",
        "very_low": f"Very low  < {report.glucose(edges['very_low'])}",
    }
    judged = {"very_high": "very_high", "high": "above", "in_range": "in_range", "low": "below", "very_low": "very_low"}
    bottom, tall = at[1] - 118, 104.0
    y = bottom
    for place, (band, said) in enumerate(reversed(rows.items())):
        height = tall * figures[band] / 100
        sheet.box((at[0], y), 26, height, _COLOURS[band])
        y += height
        row = bottom + 4 + place * 22
        sheet.box((at[0] + 36, row), 6, 6, _COLOURS[band])
        sheet.text((at[0] + 46, row), f"{said} {report.unit}", 8)
        sheet.text((at[0] + 178, row), f"{figures[band]:.1f} %", 9, bold=True, align="right")
        sheet.text((at[0] + 184, row), _a_day(figures[band]), 7, colour=GREY)
        if (goal := goals.get(judged[band])) is not None:
            sheet.text((at[0] + 46, row - 8), _goal(judged[band], goal.more_than, goal.percent), 6.5, colour=GREY)
    if "tight" in figures:
        tight = f"In tight range {low}-{report.glucose(edges['tight_high'])} {report.unit}"
        sheet.text((at[0] + 36, bottom - 18), tight, 8)
        sheet.text((at[0] + 178, bottom - 18), f"{figures['tight']:.1f} %", 9, bold=True, align="right")


def _goal(measure: str, more_than: bool, percent: float) -> str:
    subject = {"above": "high and very high together", "below": "low and very low together"}.get(measure, "goal")
    return f"{subject}: {'more' if more_than else 'less'} than {percent:g} %"


def _a_day(percent: float) -> str:
    minutes = round(percent * 14.4)
    return f"{minutes // 60} h {minutes % 60} min a day" if minutes >= 60 else f"{minutes} min a day"


def _top(report: AgpReport) -> float:
    """The scale's end: 350 mg/dL, or 400 where the highest curve goes beyond."""
    highest = max((v for row in report.percentiles.tolist() for v in row if not isnan(v)), default=0.0)
    usual, more = (350.0, 400.0) if report.unit == "mg/dL" else (19.4, 22.2)
    return usual if highest <= usual else more


def _profile(sheet: Sheet, report: AgpReport, plot: Plot) -> None:
    """The five curves over the hours of the day, the target range between its lines."""
    sheet.heading((0, plot.y + plot.height + 24), "Ambulatory glucose profile (AGP)", WIDTH)
    said = f"All days as one: median, 25 to 75 % and 5 to 95 % of readings by time of day, in {report.unit}"
    sheet.text((0, plot.y + plot.height + 9), said, 7, colour=GREY)
    for pieces in _stretches(report):
        for outer, inner, colour in ((0, 4, _WIDE), (1, 3, _NARROW)):
            lower = [plot.at(minute, row[outer]) for minute, row in pieces]
            upper = [plot.at(minute, row[inner]) for minute, row in reversed(pieces)]
            sheet.area([*lower, *upper], colour)
    _scale(sheet, report, plot)
    for pieces in _stretches(report):
        sheet.line([plot.at(minute, row[2]) for minute, row in pieces], _MEDIAN, 1.6)
    _label_curves(sheet, report, plot)
    for hour in range(0, 25, 3):
        x, _ = plot.at(60 * hour, 0)
        sheet.text((x, plot.y - 10), f"{hour % 24:02d}:00", 7, colour=GREY, align="centre")


def _label_curves(sheet: Sheet, report: AgpReport, plot: Plot) -> None:
    """Which curve is which, where the day ends; upwards with room for each."""
    pieces = _stretches(report)
    if not pieces or pieces[-1][-1][0] < plot.minutes:
        return
    least = plot.y
    for percent, value in zip(PERCENTILES, pieces[-1][-1][1], strict=True):
        x, y = plot.at(plot.minutes, value)
        least = max(y - 2, least)
        sheet.text((x + 3, least), f"{percent} %", 6, colour=GREY)
        least += 6.5


def _stretches(report: AgpReport) -> list[list[tuple[float, list[float]]]]:
    """The profile's half hours, each at its middle, without those that have no reading; closed over midnight."""
    rows = report.percentiles.tolist()
    half = PROFILE_BIN_MINUTES / 2
    middles = [(PROFILE_BIN_MINUTES * n + half, row) for n, row in enumerate(rows)]
    midnight = [(a + b) / 2 for a, b in zip(rows[0], rows[-1], strict=True)]
    found: list[list[tuple[float, list[float]]]] = [[]]
    for minute, row in [(0.0, midnight), *middles, (1440.0, midnight)]:
        if any(isnan(value) for value in row):
            found.append([])
        else:
            found[-1].append((minute, row))
    return [piece for piece in found if piece]


def _scale(sheet: Sheet, report: AgpReport, plot: Plot) -> None:
    """Lines and labels at the thresholds; those of the target range stand out."""
    for name, value in report.edges.items():
        if name == "tight_high":
            continue
        aim = name in ("low", "high")
        ends = [plot.at(0, value), plot.at(plot.minutes, value)]
        sheet.line(ends, _TARGET if aim else FAINT, 1.2 if aim else 0.6)
        sheet.text((plot.x - 4, ends[0][1] - 2.5), report.glucose(value), 7, bold=aim, align="right")
    for value in (0.0, plot.top):
        sheet.line([plot.at(0, value), plot.at(plot.minutes, value)], FAINT, 0.6)
        sheet.text((plot.x - 4, plot.at(0, value)[1] - 2.5), report.glucose(value), 7, colour=GREY, align="right")
    for hour in range(0, 25, 6):
        sheet.line([plot.at(60 * hour, 0), plot.at(60 * hour, plot.top)], FAINT, 0.6)


def _each_day(sheet: Sheet, report: AgpReport) -> None:
    """The last two weeks, a row for each, seven days a row."""
    shown = report.days[-_MOST_DAYS:]
    more = (
        f"the last {_MOST_DAYS} of {len(report.days)} days" if len(report.days) > _MOST_DAYS else "midnight to midnight"
    )
    sheet.heading((0, 240), f"Daily glucose profiles, {more}", WIDTH)
    width, height = (WIDTH - 6 * 6) / 7, 68.0
    for place, day in enumerate(shown):
        row, column = divmod(place, 7)
        plot = Plot(column * (width + 6), 140 - row * 96, width, height, 1440, _top(report))
        _day(sheet, report, day, plot)


def _day(sheet: Sheet, report: AgpReport, day: DayCurve, plot: Plot) -> None:
    edges = report.edges
    sheet.text((plot.x, plot.y + plot.height + 4), f"{day.day:%a %d %b}", 7, bold=True)
    low, high = plot.at(0, edges["low"]), plot.at(0, edges["high"])
    sheet.box(low, plot.width, high[1] - low[1], "#e6f2ea")
    frame = [plot.at(0, 0), plot.at(1440, 0), plot.at(1440, plot.top), plot.at(0, plot.top), plot.at(0, 0)]
    sheet.line(frame, FAINT, 0.5)
    if not day.pieces:
        sheet.text((plot.x + plot.width / 2, plot.y + plot.height / 2), "no readings", 6.5, colour=GREY, align="centre")
    for piece in day.pieces:
        for colour, points in _strokes(piece, edges):
            sheet.line([plot.at(*point) for point in points], colour, 0.9)


def _strokes(piece: Sequence[Point], edges: Mapping[str, float]) -> Iterable[tuple[str, list[Point]]]:
    """A curve cut where its colour changes; each part begins where the one before ended."""
    points: list[Point] = []
    for colour, same in groupby(piece, lambda point: _colour(point[1], edges)):
        points = [*points[-1:], *same]
        yield colour, points


def _colour(value: float, edges: Mapping[str, float]) -> str:
    """In range as the profile's median; beyond, as the bar of ranges."""
    if value < edges["low"]:
        return _COLOURS["very_low" if value < edges["very_low"] else "low"]
    return _COLOURS["very_high"] if value > edges["high"] else _MEDIAN


def _footer(sheet: Sheet, report: AgpReport) -> None:
    outcome = report.outcome
    device = outcome.device
    named = " ".join(word for word in (device.vendor, device.model) if word) if device is not None else ""
    said = f"{outcome.readings:,} readings" + (f" of {named}" if named else "")
    rules = f"Method {outcome.method.name} version {outcome.method.version}, evidence {outcome.evidence[:16]}."
    sheet.line([(0, 27), (WIDTH, 27)], FAINT, 0.8)
    sheet.text((0, 17), f"{said}. {rules} Shares are of measured time.", 6.5, colour=GREY)
    sheet.text((0, 8), _accounted(report), 6.5, colour=GREY)


def _accounted(report: AgpReport) -> str:
    """Where the period's time went that no reading covers."""
    parts = report.outcome.accounting
    lost = {name: millis for name, millis in parts.items() if name not in ("window", "covered") and millis}
    if not lost:
        return "Every minute of the period is covered."
    hours = ", ".join(f"{name.replace('-', ' ')} {millis / 3_600_000:.1f} h" for name, millis in sorted(lost.items()))
    return f"Not covered, and so not counted: {hours}."
