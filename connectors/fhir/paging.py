"""The pages of a search (R4 section 3.1.1.4)."""

from collections.abc import Mapping
from typing import Any


def next_of(page: Mapping[str, Any]) -> str | None:
    """The address of the page that follows, as the server writes it."""
    links = page.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(url := link.get("url"), str):
            return url
    return None
