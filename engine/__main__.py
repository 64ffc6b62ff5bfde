"""`islet` and `python -m engine`: first make sure that our packages are ours, then the command line."""

from engine.shadow import check_packages


def main() -> None:
    """Entry point of the `islet` command."""
    check_packages()
    from engine.cli.app import app  # only now: these imports are what the check protects

    app()


if __name__ == "__main__":
    main()
