"""The quick start of docs/ansible.md, word for word, on a controller that is the host, too.

What the page leaves to its reader is done as it says: the host is named, what is backed up is said, and the
vault is filled with the key that the command before has shown.
"""

from __future__ import annotations

from scripts.cleanroom.documents import blocks

PAGE = "docs/ansible.md"
AT_A_TERMINAL = """
import os
import pty
import sys


def read(terminal):
    said = os.read(terminal, 4096)
    if said.rstrip().lower().endswith(b"password:"):
        os.write(terminal, b"of the vault\\n")
    return said


sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], read)))
"""
"""Types the password of the vault where it is asked for."""
WHEELS = "/wheels"
HOST = f"""
vya_backupdb_config:
  instances: [{{id: mariadb, engine: mariadb, socket: /run/mysqld/mysqld.sock}}]
  retention: {{keep_last: 2}}
vya_backupdb_pip_args: [--no-index, --find-links, {WHEELS}]
"""


def installation() -> str:
    """Give what needs the network: the controller, and on the host packages of Debian and of Python."""
    controller, *_ = blocks(PAGE, "Quick start")
    return f"""
rm -rf /opt/vya-backupdb /usr/local/bin/vya-backupdb /var/backups/vya-backupdb /etc/vya-backupdb
rm -rf /etc/systemd/system/vya-backupdb-* /etc/systemd/system/*.wants/vya-backupdb-* # of the other steps
apt-get update -qq
apt-get install -qq -y --no-install-recommends python3-venv # of the controller
apt-get install -qq -y --no-install-recommends python3-apt systemd systemd-sysv dbus mariadb-server
{controller}
pip download --quiet -c constraints.txt -d {WHEELS} "$(echo dist/*.whl)[notify]"
"""


def services() -> str:
    """Give all the rest."""
    _, vault, plays = blocks(PAGE, "Quick start")
    return f"""
systemctl start mariadb
mariadb -e 'CREATE DATABASE IF NOT EXISTS shop'
mariadb -e "CREATE OR REPLACE USER 'vya-backupdb'@localhost IDENTIFIED VIA unix_socket"
mariadb -e "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'vya-backupdb'@localhost"
cat >/at-a-terminal.py <<'END'
{AT_A_TERMINAL}
END
cat >/usr/local/bin/editor <<'END'
#!/bin/sh
sed -i -e "s/REPLACE-ME-with.*/$(grep -xE '[A-Za-z0-9_-]{{43}}=' /key)/" -e '/REPLACE-ME/d' "$1"
END
chmod +x /usr/local/bin/editor
. ~/controller/bin/activate
ansible-playbook() {{ python3 /at-a-terminal.py ansible-playbook "$@"; }}
ansible-vault() {{ python3 /at-a-terminal.py ansible-vault "$@"; }}

sed -i -e 's/db1.*:$/& {{ansible_connection: local}}/' -e '/db2/d' my-inventory/hosts.yml
mkdir my-inventory/host_vars
cat >my-inventory/host_vars/db1.example.net.yml <<'END'
{HOST}
END
{vault.replace("--output -", "--output - | tee /key")}
{plays}
test "$(find /var/backups/vya-backupdb -name '*.sql.zst' -user vya-backupdb | wc -l)" = 2
test "$(systemctl list-units --no-legend --state=active 'vya-backupdb-*.timer' | wc -l)" = 4
{plays.splitlines()[1]} | tee /again
grep 'changed=0 .*failed=0' /again
for name in backup@mariadb prune verify health; do systemctl start vya-backupdb-$name.service; done
"""
