"""Throw-away servers in Docker containers, reached by a socket in a folder that both sides see.

A container has no network, no capabilities, bounded memory and processes, and is removed when it ends. It
ends with the process that started it, however that ends: its first process reads from that one's connection
to the daemon, and ends the server when there is nothing more to read. Images are never pulled.
"""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vya_backupdb.errors import ScratchError
from vya_backupdb.model import Flavour
from vya_backupdb.scratch.flavour import NotReadyError, Settings
from vya_backupdb.scratch.folder import private_folder
from vya_backupdb.scratch.images import LOG, RECIPES, RUN, Recipe
from vya_backupdb.scratch.server import Kept

if TYPE_CHECKING:
    from docker import DockerClient

LABEL: Final = "vya-backupdb.throw-away"
"""On every container of ours."""

_MEMORY: Final = 4 << 30
_PROCESSES: Final = 1024
_SHARED_MEMORY: Final = 1 << 30
"""Bytes of /dev/shm, in which PostgreSQL's parallel workers meet."""
_PATIENCE: Final = 60
"""Seconds for an answer of the daemon."""
_TAIL: Final = 15
"""Lines of the log in an error."""


@dataclass(frozen=True, slots=True)
class ContainerServer:
    """A running throw-away server in a container; what it has is as in ScratchServer."""

    flavour: Flavour
    container: str
    """Its name."""
    socket: Path
    port: int
    superuser: str
    password: str
    keep: Callable[[], Kept]


@contextmanager
def start_image(
    flavour: Flavour, image: str, *, settings: Settings | None = None, wait: float = 180.0
) -> Iterator[ContainerServer]:
    """Start a server of an image; the container and its folder are gone when the block ends, unless kept.

    `wait` bounds the start, in seconds. Raises ScratchError.
    """
    recipe, password = RECIPES[flavour], secrets.token_hex(16)
    with _client() as client, private_folder() as folder:
        run = folder / "run"
        run.mkdir()
        run.chmod(0o777)  # whichever user the image has; the folder above is ours alone
        script = recipe.script(run, password, settings or {})
        container = _Container(client, image, recipe.user, run, script)
        try:
            container.start()
            _await(container, recipe, password, wait)
            yield ContainerServer(
                flavour=flavour,
                container=container.name,
                socket=recipe.socket(run),
                port=recipe.port,
                superuser=recipe.superuser,
                password=password,
                keep=lambda: container.keep(recipe.client(run, password)),
            )
        finally:
            container.stop()


class _Container:
    """One container, from its making to its removal."""

    def __init__(self, client: DockerClient, image: str, user: str, run: Path, script: str) -> None:
        self.name = f"vya-backupdb-{secrets.token_hex(4)}"
        self.image = image
        self.run = run
        self._api = client.api
        self._user = user
        self._script = script
        self._input: Any = None
        self._is_kept = False

    def start(self) -> None:
        """Make and start it, bound to our connection. Raises ScratchError."""
        with _explained(self.image):
            limits = self._api.create_host_config(
                auto_remove=True,
                binds={str(self.run): {"bind": RUN, "mode": "rw,z"}},
                cap_drop=["ALL"],
                mem_limit=_MEMORY,
                network_mode="none",
                pids_limit=_PROCESSES,
                security_opt=["no-new-privileges"],
                shm_size=_SHARED_MEMORY,
            )
            self._api.create_container(
                self.image,
                name=self.name,
                entrypoint=["sh", "-c", self._script],
                command=[],
                user=self._user,
                stdin_open=True,
                labels={LABEL: str(self.run.parent)},
                host_config=limits,
            )
            self._input = self._api.attach_socket(self.name, params={"stdin": 1, "stream": 1})
            self._api.start(self.name)

    def has_ended(self) -> bool:
        """Whether its server has ended by itself. Raises ScratchError."""
        from docker.errors import NotFound

        with _explained(self.image):
            try:
                return not self._api.inspect_container(self.name)["State"]["Running"]
            except NotFound:
                return True

    def log_tail(self) -> str:
        """Give the last lines of the server's log."""
        with suppress(OSError):
            return "\n".join((self.run / LOG).read_text(errors="replace").splitlines()[-_TAIL:])
        return "(no log)"

    def keep(self, client: tuple[str, ...]) -> Kept:
        """Let it live on, with the folder that its socket is in. Raises ScratchError."""
        os.write(self._input.fileno(), b"keep\n")
        folder = tempfile.mkdtemp(prefix="vya-backupdb-kept-", dir=self.run.parent.parent)
        self.run.rename(Path(folder) / "run")
        self._is_kept = True
        return Kept(
            connect=shlex.join(("docker", "exec", "--interactive", "--tty", self.name, *client)),
            end=f"docker rm --force --volumes {self.name} && rm -r {shlex.quote(folder)}",
        )

    def stop(self) -> None:
        """Remove it, running or not, unless it is kept. Raises ScratchError."""
        from docker.errors import APIError, NotFound

        if self._input is not None:
            channel = getattr(self._input, "_sock", self._input)
            self._input.close()
            channel.close()  # the SDK's file over it leaves it open
        if self._is_kept:
            return
        deadline = time.monotonic() + _PATIENCE
        with _explained(self.image):
            while time.monotonic() < deadline:
                try:
                    self._api.remove_container(self.name, v=True, force=True)
                except NotFound:
                    return
                except APIError as error:
                    if error.status_code != 409:  # it is being removed already
                        raise
                time.sleep(0.1)
        raise ScratchError(f"{self.name}: this container cannot be removed", cure="docker rm --force")


def _await(container: _Container, recipe: Recipe, password: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        ended = container.has_ended()
        try:
            recipe.answer(container.run, password)
        except NotReadyError as error:
            if ended or time.monotonic() > deadline:
                why = "ended" if ended else f"does not answer after {wait:.0f} s ({error})"
                raise ScratchError(
                    f"{container.image}: the new server {why}\n{container.log_tail()}",
                    cure="take an official image of the flavour, and a daemon of this machine",
                ) from error
            time.sleep(0.1)
        else:
            return


@contextmanager
def _client() -> Iterator[DockerClient]:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        raise ScratchError(
            "Docker is asked for, and its SDK for Python is not installed",
            cure="pip install 'vya-backupdb[docker]'",
        ) from None
    try:
        client = docker.from_env(timeout=_PATIENCE)
    except DockerException as error:
        raise _no_daemon(error) from error
    try:
        try:
            client.ping()
        except (DockerException, OSError) as error:
            raise _no_daemon(error) from error
        yield client
    finally:
        client.close()


def _no_daemon(error: Exception) -> ScratchError:
    return ScratchError(
        f"the Docker daemon does not answer: {' '.join(str(error).split())}",
        cure="start it, or say where it is with DOCKER_HOST; this user must be allowed to use it",
    )


@contextmanager
def _explained(image: str) -> Iterator[None]:
    """Turn what the daemon refuses into ScratchError."""
    from docker.errors import DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound as error:
        raise ScratchError(
            f"{image}: this image is not here", cure=f"docker pull {image}, or name another with --image"
        ) from error
    except (DockerException, OSError) as error:
        said = getattr(error, "explanation", None) or error
        raise ScratchError(f"{image}: Docker says: {' '.join(str(said).split())}") from error
