from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vya_backupdb.credentials.transport import secret_file

READ = ("/bin/cat",)


def test_a_child_that_is_given_the_descriptor_reads_the_secret() -> None:
    with secret_file(b"hunter2") as file:
        for _ in range(2):  # opened anew by its path, it is read from its beginning each time
            done = subprocess.run((*READ, file.path), pass_fds=(file.fd,), capture_output=True, check=True)
            assert done.stdout == b"hunter2"


def test_a_child_that_is_not_given_the_descriptor_has_nothing() -> None:
    with secret_file(b"hunter2") as file:
        done = subprocess.run((*READ, file.path), close_fds=False, capture_output=True, check=False)
        assert done.returncode != 0
        assert b"hunter2" not in done.stdout


@pytest.mark.threat("secrets-on-disk")
def test_the_file_is_its_owners_alone_and_on_no_disk() -> None:
    with secret_file(b"x") as file:
        assert os.fstat(file.fd).st_mode & 0o777 == 0o600
        assert str(Path(file.path).readlink()).startswith("/memfd:")
        assert os.get_inheritable(file.fd) is False


def test_the_file_is_closed_at_the_end_also_after_a_failure() -> None:
    with pytest.raises(RuntimeError), secret_file(b"x") as file:
        raise RuntimeError
    assert not Path(f"/proc/self/fd/{file.fd}").exists()


def test_a_large_secret_is_written_whole() -> None:
    content = os.urandom(3 << 20)
    with secret_file(content) as file:
        assert Path(file.path).read_bytes() == content


def test_the_content_is_not_in_the_representation() -> None:
    with secret_file(b"hunter2") as file:
        assert "hunter2" not in repr(file)
