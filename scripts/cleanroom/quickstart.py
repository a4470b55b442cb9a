"""docs/quickstart.md, word for word, in a Debian whose first process is systemd: up to the alarm.

What the page leaves to its reader is done as it says: the questions of `init` are answered, the account is
made by the SQL that `init` shows, and the notices go to a program that writes them down.
"""

from __future__ import annotations

import re

from scripts.cleanroom.documents import ROOT, commands

PAGE = "docs/quickstart.md"
PORT = 8099
LISTENER = f"""
import http.server

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open("/notices", "ab") as file:
            file.write(self.path.encode() + b" " + body + b"\\n")
        self.send_response(200)
        self.end_headers()
    do_GET = do_POST

http.server.ThreadingHTTPServer(("127.0.0.1", {PORT}), Listener).serve_forever()
"""


def installation() -> str:
    """Give what needs the network: a server, systemd, the program."""
    return f"""
rm -rf /opt/vya-backupdb /usr/local/bin/vya-backupdb # of the other steps
apt-get update -qq
apt-get install -qq -y --no-install-recommends systemd systemd-sysv dbus mariadb-server
{commands(PAGE, "1. Install")}
{_of_the_text("pip install '.[notify]'")}
"""


def services() -> str:
    """Give all the rest."""
    init = _answered(commands(PAGE, "3. The configuration and the account"))
    alarm = commands(PAGE, "6. Every night, and somebody who is told", "yaml")
    alarm = re.sub("urls: .*", f'urls: ["json://127.0.0.1:{PORT}/notice"]', alarm)
    alarm = re.sub("ping: .*", f"ping: http://127.0.0.1:{PORT}/ping", alarm)
    return f"""
systemctl start mariadb
mariadb -e 'CREATE DATABASE shop; CREATE TABLE shop.orders (id int PRIMARY KEY)'
mariadb -e 'INSERT INTO shop.orders VALUES (1), (2)'
cat >/listener.py <<'END'
{LISTENER}
END
systemd-run --quiet --unit=listener python3 /listener.py

{commands(PAGE, "2. The user and the units")}
{init}
{commands(PAGE, "4. The first backup")}
test "$(journalctl --output cat VYA_EVENT='backup finished' VYA_DATABASE=shop | wc -l)" = 1
{commands(PAGE, "5. Proof")}
cat >>/etc/vya-backupdb/config.yaml <<'END'
{alarm}
END
{commands(PAGE, "6. Every night, and somebody who is told")}
for name in backup@prod-mariadb prune verify drill health; do
    systemctl is-active --quiet vya-backupdb-$name.timer
    systemctl start vya-backupdb-$name.service
done
grep '^/ping' /notices

# what etc/systemd says of a key that is bound to this machine
mv /etc/vya-backupdb/vya-backupdb.key /root/key
systemd-creds encrypt --name=vya-backupdb.key /root/key /etc/vya-backupdb/vya-backupdb.key
cat >/etc/systemd/system/vya-backupdb-.service.d/20-local.conf <<'END'
[Service]
LoadCredential=
LoadCredentialEncrypted=vya-backupdb.key:/etc/vya-backupdb/vya-backupdb.key
END
systemctl daemon-reload
systemctl start vya-backupdb-backup@prod-mariadb.service

systemctl stop mariadb
if systemctl start vya-backupdb-backup@prod-mariadb.service; then exit 1; fi
timeout 60 sh -c 'until grep "^/notice .*vya-backupdb-backup@prod-mariadb" /notices; do sleep 1; done' >/told
grep 'there is no such socket' /told
if grep 'backup finished' /told; then exit 1; fi # of the runs before
test "$(systemctl list-units --failed --no-legend 'vya-backupdb-*' | wc -l)" = 1
"""


def _answered(text: str) -> str:
    """Answer what `init` asks, and make the account that it shows first."""
    made = r"""
printf 'y\nprod-mariadb\n' | script -qec 'vya-backupdb init' /init.log
tr -d '\r' </init.log | sed -n '/CREATE USER/,/^$/{p;/^$/q}' | tee /account.sql
mariadb </account.sql
"""
    return text.replace("vya-backupdb init\n", made, 1)


def _of_the_text(words: str) -> str:
    """Give a command that stands in running text, with the program's own pip."""
    if words not in (ROOT / PAGE).read_text():
        raise SystemExit(f"cleanroom: {PAGE} does not say {words}")
    return f"/opt/vya-backupdb/bin/{words}"
