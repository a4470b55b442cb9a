"""Each way to install of README.md and docs/installation.md, word for word, and what it must bring."""

from __future__ import annotations

from scripts.cleanroom.documents import blocks, commands

PAGE = "docs/installation.md"
ANEW = "rm -rf /opt/vya-backupdb /usr/local/bin/vya-backupdb /usr/local/share/*"
IS_THERE = """
vya-backupdb --version
vya-backupdb --config /usr/local/share/vya-backupdb/config.example.yaml config validate
test -e /usr/local/share/man/man1/vya-backupdb-restore.1
test -e /usr/local/share/bash-completion/completions/vya-backupdb
"""


def readme() -> str:
    return f"""
apt-get update -qq
apt-get install -qq -y --no-install-recommends python3-venv
{commands("README.md", "Install")}
{IS_THERE}
"""


def ways() -> str:
    """Give a virtual environment and all that is done with a wheel."""
    made, with_pip, for_all_users, fetched, without_network = blocks(PAGE, "A wheel")
    with_pipx, with_uv = for_all_users.split("\n\n")
    return f"""
{ANEW}
apt-get update -qq
apt-get install -qq -y --no-install-recommends python3-venv pipx
python3 -m venv /opt/tools
/opt/tools/bin/pip install --quiet uv
ln -sf /opt/tools/bin/uv /usr/local/bin/
# uv does not read how pip reaches its registry
for pair in index-url=UV_DEFAULT_INDEX cert=SSL_CERT_FILE proxy=ALL_PROXY; do
    value=$(sed -n "s/^${{pair%=*}} = //p" /etc/pip.conf)
    if [ -n "$value" ]; then export "${{pair#*=}}=$value"; fi
done

{commands(PAGE, "A virtual environment")}
{IS_THERE}
{made}
sha256sum dist/*
/opt/vya-backupdb/bin/pip uninstall --quiet --yes vya-backupdb
{with_pip}
{IS_THERE}
{ANEW}
{with_pipx}
{IS_THERE}
{ANEW}
{with_uv}
{IS_THERE}
{ANEW}
python3 -m venv /opt/vya-backupdb
{fetched}
rm -r /opt/vya-backupdb
{without_network}
/opt/vya-backupdb/bin/vya-backupdb --version
rm -r wheels
"""


def package() -> str:
    """Give a Debian package, made there, and gone without a trace; apt is told beforehand what it asks."""
    return f"""
{ANEW}
printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n' >/etc/apt/apt.conf.d/90answers
apt-get update -qq
apt-get install -qq systemd-standalone-sysusers systemd-standalone-tmpfiles
{commands(PAGE, "A Debian package")}
rm /etc/apt/apt.conf.d/90answers
/usr/bin/vya-backupdb --version
/usr/bin/vya-backupdb --config /usr/share/doc/vya-backupdb/examples/config.example.yaml config validate
test "$(stat -c %U:%a /var/backups/vya-backupdb)" = vya-backupdb:700
test -z "$(dpkg --verify vya-backupdb)"
test -z "$(find /usr/lib/vya-backupdb -type f -newer /usr/bin/vya-backupdb)" # nothing is compiled anew
apt-get remove -qq -y vya-backupdb
test ! -e /usr/lib/vya-backupdb
"""
