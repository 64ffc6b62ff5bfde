"""Where the files are that ship beside the code: channels, routes.yaml, migrations.

In a checkout they lie at its top; in an installed wheel in `engine/_shipped`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The shipped file or folder `channels`, `routes.yaml` or `migrations`. Raises FileNotFoundError."""
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"this installation of islet-engine lacks its {name}; install it again")
