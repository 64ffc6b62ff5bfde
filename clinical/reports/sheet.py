"""A sheet of paper to draw on: a PDF whose bytes depend only on what is drawn and on the moment it is dated with."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Final, Literal

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas

Paper = Literal["A4", "Letter"]
Point = tuple[float, float]

WIDTH: Final = 540.0
HEIGHT: Final = 740.0
"""The part of either paper that is drawn on, in points; (0, 0) is its lower left corner."""

INK: Final = "#1f2933"
GREY: Final = "#7b8794"
FAINT: Final = "#d5dae0"
_SIZES: Final = {"A4": A4, "Letter": LETTER}
_REGULAR, _BOLD = "Helvetica", "Helvetica-Bold"


class Sheet:
    """One page. Text is in the fonts that every PDF reader has; what they cannot show (beyond Latin-1) becomes `?`."""

    def __init__(self, paper: Paper, title: str, dated: datetime) -> None:
        self._file = BytesIO()
        wide, high = _SIZES[paper]
        self._canvas = Canvas(self._file, pagesize=(wide, high), invariant=1, pageCompression=1, lang="en")
        self._canvas.setDateFormatter(lambda *_: dated.strftime("D:%Y%m%d%H%M%S+00'00'"))
        self._canvas.setTitle(title)
        self._canvas.setAuthor("Islet")
        self._canvas.setCreator("Islet")
        self._canvas.setSubject("Continuous glucose monitoring summary")
        self._canvas.translate((wide - WIDTH) / 2, (high - HEIGHT) / 2)

    def text(
        self,
        at: Point,
        said: str,
        size: float = 8,
        *,
        bold: bool = False,
        colour: str = INK,
        align: Literal["left", "right", "centre"] = "left",
    ) -> None:
        self._canvas.setFont(_BOLD if bold else _REGULAR, size)
        self._canvas.setFillColor(HexColor(colour))
        plain = said.encode("latin-1", "replace").decode("latin-1")
        draw = {
            "left": self._canvas.drawString,
            "right": self._canvas.drawRightString,
            "centre": self._canvas.drawCentredString,
        }
        draw[align](*at, plain)

    def line(self, points: Sequence[Point], colour: str = INK, width: float = 0.5) -> None:
        """From point to point; a single one is a dot."""
        self._canvas.setStrokeColor(HexColor(colour))
        self._canvas.setLineWidth(width)
        self._canvas.setLineCap(1)
        self._canvas.setLineJoin(1)
        path = self._canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:] or points:
            path.lineTo(*point)
        self._canvas.drawPath(path)

    def area(self, points: Sequence[Point], colour: str) -> None:
        """A filled shape without an outline."""
        self._canvas.setFillColor(HexColor(colour))
        path = self._canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        path.close()
        self._canvas.drawPath(path, stroke=0, fill=1)

    def box(self, at: Point, width: float, height: float, colour: str) -> None:
        """A filled rectangle, from its lower left corner."""
        self._canvas.setFillColor(HexColor(colour))
        self._canvas.rect(*at, width, height, stroke=0, fill=1)

    def heading(self, at: Point, said: str, width: float) -> None:
        """A title with a line under it."""
        x, y = at
        self.text(at, said, 10, bold=True)
        self.line([(x, y - 4), (x + width, y - 4)], FAINT, 0.8)

    def finished(self) -> bytes:
        """The PDF."""
        self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()
