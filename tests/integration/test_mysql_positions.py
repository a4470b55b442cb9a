from __future__ import annotations

from scripts.sample.clients import run_sql
from tests.integration.mysql_support import account, connected
from vya_backupdb.scratch import ScratchServer, start


def test_positions_are_those_of_the_servers_own_binary_log(mysql_server: ScratchServer) -> None:
    settings = {"log-bin": "binlog", "server-id": 7}
    if mysql_server.flavour == "mysql":
        settings |= {"gtid-mode": "ON", "enforce-gtid-consistency": "ON"}
    with start(mysql_server.binaries, settings=settings) as server:
        run_sql(server, "CREATE DATABASE a; CREATE TABLE a.t (x int); INSERT INTO a.t VALUES (1)")
        with connected(server) as connector:
            found = connector.positions()
            assert found["binlog_file"].startswith("binlog.0")
            assert int(found["binlog_position"]) > 100
            gtid = "gtid_executed" if server.flavour == "mysql" else "gtid_binlog_pos"
            assert run_sql(server, f"SELECT @@{gtid}").strip() == found[gtid] != ""
            run_sql(server, "INSERT INTO a.t VALUES (2)")
            later = connector.positions()
            assert int(later["binlog_position"]) > int(found["binlog_position"])
            assert later[gtid] != found[gtid]
        with account(server, "SELECT ON *.*") as credential, connected(server, credential) as connector:
            assert set(connector.positions()) <= {gtid}
            (finding,) = [f for f in connector.examine_instance() if "position" in f.what]
            run_sql(server, finding.cure or "")
        _be_a_replica(server)
        with connected(server) as connector:
            found = connector.positions()
        assert found["source_host"] == "192.0.2.1"
        assert found["source_port"] == "3310"
        assert found["source_binlog_file"] == "source.000042"
        assert found["source_binlog_position"] == "4711"


def test_without_a_binary_log_there_is_no_position(mysql_server: ScratchServer) -> None:
    with start(mysql_server.binaries, settings={"skip-log-bin": 1}) as server, connected(server) as connector:
        assert "binlog_file" not in connector.positions()
        assert connector.examine_instance() == []


def _be_a_replica(server: ScratchServer) -> None:
    """Say where the source is; the replication is never started."""
    if server.flavour == "mysql":
        run_sql(
            server,
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='192.0.2.1', SOURCE_PORT=3310, SOURCE_USER='x', "
            "SOURCE_LOG_FILE='source.000042', SOURCE_LOG_POS=4711",
        )
    else:
        run_sql(
            server,
            "CHANGE MASTER TO MASTER_HOST='192.0.2.1', MASTER_PORT=3310, MASTER_USER='x', "
            "MASTER_LOG_FILE='source.000042', MASTER_LOG_POS=4711",
        )
