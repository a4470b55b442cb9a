"""The store: where backups lie, how one is found, and how a new one gets its place.

`{root}/{hostname}/{instance}/{database}/{date}/{database}_{timestamp}.sql.zst`, beside it `.json` (the
record, written last) and `.sha256`.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vya_backupdb.catalog.naming import USERS, date_folder, file_name, moment_of, timestamp
from vya_backupdb.catalog.publish import make_folder, published, storage_errors, write_whole
from vya_backupdb.catalog.record import BackupRecord, read_record, record_bytes
from vya_backupdb.errors import Refused, StorageError, VerificationError

RECORD_SUFFIX = ".json"
DIGEST_SUFFIX = ".sha256"
ARCHIVE_SUFFIXES = (".sql.zst", ".sql.gz", ".sql")


@dataclass(frozen=True)
class Backup:
    """A backup of the store, known by its record's path; the record is read when it is asked for."""

    path: Path
    hostname: str

    def order(self) -> tuple[str, int, str]:
        """Give a key that sorts by the time in the file's name, then by its number within that second."""
        taken, _, number = self.path.name.removesuffix(RECORD_SUFFIX).rpartition("_")[2].partition("-")
        return taken, int(number) if number.isdecimal() else 1, self.path.name

    def record(self) -> BackupRecord:
        """Read the record. Raises VerificationError where it is damaged, StorageError where unreadable."""
        with storage_errors(self.path):
            return read_record(self.path)


@dataclass(frozen=True)
class Slot:
    """The place of a backup in the making: no file of it exists yet."""

    folder: Path
    stem: str

    def file(self, extension: str) -> Path:
        """Give the path of the backup file (`extension` as `.sql.zst`)."""
        return self.folder / (self.stem + extension)

    def open(self) -> None:
        """Make the folder. Raises StorageError."""
        make_folder(self.folder)
        _refuse_links(self.folder.parent, self.folder)

    def files(self) -> list[Path]:
        """Give the paths of all files that a backup here may have; the record is the first."""
        return [self.file(suffix) for suffix in (RECORD_SUFFIX, DIGEST_SUFFIX, *ARCHIVE_SUFFIXES)]

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Remove whatever of the backup has its name already when the block fails."""
        try:
            yield
        except BaseException:
            for path in self.files():  # without the record the rest is no backup
                with suppress(OSError):
                    path.unlink()
            raise

    def publish_record(self, record: BackupRecord) -> Path:
        """Write the checksum file, then the record: from now on the backup exists. Raises StorageError."""
        path = self.folder / (self.stem + RECORD_SUFFIX)
        digest = self.folder / (self.stem + DIGEST_SUFFIX)
        with published(digest) as file, storage_errors(digest):
            # coreutils: a line that begins with a backslash has its name escaped; ours never hold one raw
            name = record.file.name
            escaped = name.replace("\\", "\\\\")
            mark = "\\" if escaped != name else ""
            write_whole(file, f"{mark}{record.file.sha256}  {escaped}\n".encode())
        with published(path) as file, storage_errors(path):
            write_whole(file, record_bytes(record))
        return path


@dataclass(frozen=True)
class Store:
    """All backups below one root, as this machine (`hostname`) writes and reads them."""

    root: Path
    hostname: str

    def instance_folder(self, instance: str, hostname: str | None = None) -> Path:
        """Give the folder of an instance; it need not exist."""
        return self.root / file_name(hostname or self.hostname) / file_name(instance)

    def is_read_only(self, instance: str) -> bool:
        """Whether this run may write nothing of an instance: a store to restore from.

        It is mounted read-only, or belongs to somebody else.
        """
        folder = self.instance_folder(instance)
        with storage_errors(folder):
            there = next(path for path in (folder, *folder.parents) if path.exists())
            return not os.access(there, os.W_OK | os.X_OK)

    def open_instance(self, instance: str) -> Path:
        """Make the folder of an instance of this machine where it is absent. Raises StorageError."""
        folder = self.instance_folder(instance)
        make_folder(folder)
        _refuse_links(folder.parent, folder)
        return folder

    def check_private(self, instance: str) -> None:
        """Raise StorageError where everybody may write into the folders down to that of an instance.

        Who can, chooses what is restored one day.
        """
        folder = self.instance_folder(instance)
        for path in (self.root, folder.parent, folder):
            with storage_errors(path):
                mode = stat.S_IMODE(path.stat().st_mode)
            if mode & stat.S_IWOTH:
                raise StorageError(
                    f"{path}: everybody may write there (mode {mode:04o})",
                    cure=f"mend it with: chmod go-w {shlex.quote(str(path))}",
                )

    def slot(self, instance: str, database: str | None, moment: datetime) -> Slot:
        """Give the place for a new backup, of users where `database` is None. Nothing is made yet.

        Of two in one second the later has the higher number, also where others have been deleted.
        """
        name = USERS if database is None else file_name(database)
        folder = self.instance_folder(instance) / name / date_folder(moment)
        stem = f"{name}_{timestamp(moment)}"
        last = max((_number(entry.name, stem) for entry in _scan(folder)), default=0)
        return Slot(folder, f"{stem}-{last + 1}" if last else stem)

    def newest_name(self, instance: str, database: str | None) -> datetime | None:
        """Give the time in the name of the newest backup of this machine, or None where there is none.

        Of users where `database` is None.
        """
        backups = self.backups(
            hostname=self.hostname, instance=instance, database=database, users=database is None
        )
        return next((moment for backup in backups if (moment := moment_of(backup.order()[0]))), None)

    def instances(self) -> list[str]:
        """Give the folders of this machine's instances, as they are named."""
        return folders(self.root / file_name(self.hostname))

    def hostnames(self) -> list[str]:
        """Give the folders of the machines whose backups lie here, as they are named."""
        return folders(self.root)

    def backups(
        self,
        *,
        hostname: str | None = None,
        instance: str | None = None,
        database: str | None = None,
        users: bool = False,
    ) -> list[Backup]:
        """Give the backups that match, newest first: of one database, only of users, or of all.

        Looks under the given host, else under this machine's own name, and where nothing matches there
        under all others. Raises Refused where several of those match; StorageError.
        """
        folder = USERS if users else None if database is None else file_name(database)
        if hostname is not None:
            return self._of_host(file_name(hostname), instance, folder)
        own = file_name(self.hostname)
        found = self._of_host(own, instance, folder)
        if found:
            return found
        by_host = {
            host: found
            for host in self.hostnames()
            if host != own and (found := self._of_host(host, instance, folder))
        }
        if len(by_host) > 1:
            raise Refused(
                f"backups that match lie under several hosts: {', '.join(sorted(by_host))}",
                cure="say which with --host NAME",
            )
        return next(iter(by_host.values()), [])

    def _of_host(self, host: str, instance: str | None, folder_name: str | None) -> list[Backup]:
        found: list[Backup] = []
        top = self.root / host
        for instance_name in [file_name(instance)] if instance else folders(top):
            below = top / instance_name
            for name in [folder_name] if folder_name else folders(below):
                for date in folders(below / name):
                    folder = below / name / date
                    records = (file for file in files(folder) if file.endswith(RECORD_SUFFIX))
                    found += [Backup(folder / file, host) for file in records]
        found.sort(key=Backup.order, reverse=True)
        return found


def _refuse_links(*paths: Path) -> None:
    """Raise StorageError for a link: what is written through it would not be found again, or elsewhere."""
    for path in paths:
        if path.is_symlink():
            raise StorageError(
                f"{path}: a symbolic link, which no backup is looked for behind",
                cure="put a folder there, mount a file system on it, or name another `storage.path`",
            )


def newest(backups: Iterable[Backup], *, at: datetime | None = None) -> tuple[Backup, BackupRecord] | None:
    """Give the newest backup whose snapshot is at or before `at` (any, where None), with its record.

    Raises VerificationError where a record that has to be looked at is damaged: an older backup is never
    taken in its place in silence.
    """
    for backup in sorted(backups, key=Backup.order, reverse=True):
        record = backup.record()
        if at is None or record.snapshot_at <= at:
            return backup, record
    return None


def stem_of(name: str) -> str:
    """Give what the names of all files of one backup begin with."""
    for suffix in (*ARCHIVE_SUFFIXES, RECORD_SUFFIX, DIGEST_SUFFIX):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def folders(path: Path) -> list[str]:
    """Give the names of the folders in it, links excluded; none where it is absent. Raises StorageError."""
    return [entry.name for entry in _scan(path) if entry.is_dir(follow_symlinks=False)]


def files(path: Path) -> list[str]:
    """Give the names of the files in it, as `folders` does."""
    return [entry.name for entry in _scan(path) if entry.is_file(follow_symlinks=False)]


def _number(name: str, stem: str) -> int:
    """Give the number of a file among those of one second; 0: it is of another, or of something else."""
    number, dot, _ = name.removeprefix(stem).partition(".")
    if not (name.startswith(stem) and dot):
        return 0
    if not number:
        return 1
    return int(number[1:]) if number[0] == "-" and number[1:].isdecimal() else 0


def _scan(path: Path) -> list[os.DirEntry[str]]:
    with storage_errors(path):
        try:
            with os.scandir(path) as entries:
                return list(entries)
        except FileNotFoundError:
            return []


def check_file(record_path: Path, record: BackupRecord) -> Path:
    """Give the backup file's path, after a look at its name, presence and size. Raises VerificationError."""
    path = record_path.with_name(record.file.name)
    if stem_of(path.name) != stem_of(record_path.name):
        raise VerificationError(
            f"{record_path}: is the record of {path.name}, not of a file of its own name",
            cure="put the files of one backup together under their own names",
        )
    with storage_errors(path):
        try:
            found = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            raise VerificationError(
                f"{path}: the backup file is missing", cure="choose another backup: restore list"
            ) from None
    if not stat.S_ISREG(found.st_mode):
        raise VerificationError(f"{path}: is no regular file", cure="choose another backup: restore list")
    if found.st_size != record.file.bytes:
        raise VerificationError(
            f"{path}: {found.st_size} bytes, not the {record.file.bytes} that were written",
            cure="the file is damaged: choose another backup (restore list)",
        )
    return path
