"""Are the servers' programs here? As root on Debian or Ubuntu they are installed, without starting system services."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICES = "#!/bin/sh\nexit 101\n"
_APT_SECONDS = 600


class NotHere(Exception):
    """The server's programs are not here. The text says what to install."""


def available(find: Callable[[], Path | None], package: str) -> Path:
    """Where the programs are; installs the package first if it must and may. Raises NotHere."""
    found = find()
    if found is None and _may_install():
        with _one_at_a_time():
            if find() is None:
                _install(package)
        found = find()
    if found is None:
        raise NotHere(f"{package} is not installed here; on Debian or Ubuntu: sudo apt-get install {package}")
    return found


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(package: str) -> None:
    """Raises NotHere with the end of what apt-get said."""
    with _services_left_alone():
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
            done = subprocess.run(
                ["apt-get", "-o", f"DPkg::Lock::Timeout={_APT_SECONDS}", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=2 * _APT_SECONDS,
            )
            if done.returncode:
                raise NotHere(f"apt-get could not install {package}: {done.stdout[-500:]}")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Tests run in several processes: who comes second waits, and finds it installed."""
    with (Path(tempfile.gettempdir()) / "islet-packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _services_left_alone() -> Iterator[None]:
    """Debian starts what it installs unless this file says no."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICES)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
