"""`islet explain`: what a code of `islet check` means, with an example."""

import sys
import textwrap

from rapidfuzz import process
from rapidfuzz.distance import OSA

from engine.cli.options import fail
from engine.config.explanations import EXPLANATIONS
from engine.config.problems import CODES

_NEAR = 3
_WIDTH = 100


def explain(code: str | None) -> int:
    """Print what a code means, or all codes with their meaning. Raises typer.Exit for a code that there is not."""
    if code is None:
        sys.stdout.write("".join(f"{one}  {meaning}\n" for one, meaning in CODES.items()))
        sys.stdout.write("islet explain CODE: more of one of them, with an example\n")
        return 0
    known = code.strip().upper()
    if known not in CODES:
        near = [f"{one} ({CODES[one]})" for one in nearest(known)]
        raise fail(f"there is no code {code}; near it are {', '.join(near)}. `islet explain` lists all", 2)
    sys.stdout.write(explained(known))
    return 0


def nearest(code: str) -> list[str]:
    """The codes that look most like this one."""
    return [found for found, _, _ in process.extract(code, list(CODES), scorer=OSA.distance, limit=_NEAR)]


def explained(code: str) -> str:
    """The page about one code. Raises KeyError if there is none."""
    about = EXPLANATIONS[code]
    return "\n".join(
        [
            f"{code}: {CODES[code]}",
            "",
            textwrap.fill(about.means, _WIDTH),
            "",
            f"Wrong, in {about.where}:",
            textwrap.indent(about.wrong.expandtabs(8), "    "),
            "",
            "Right:",
            textwrap.indent(about.right, "    "),
            "",
        ]
    )
