"""Try each instance: can it be reached, with which tool would it be dumped, what does the account lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vya_backupdb.config.models import Config, Instance
from vya_backupdb.credentials.vault import Vault
from vya_backupdb.engines.base import Connector
from vya_backupdb.engines.registry import engine_named
from vya_backupdb.errors import VyaBackupDBError
from vya_backupdb.log import get_logger
from vya_backupdb.model import DatabaseInfo, DumpTool, Finding, ServerFacts, Severity
from vya_backupdb.operations.backup import choose_databases, idle_patterns, remains_of_drops

log = get_logger(__name__)


@dataclass(frozen=True)
class InstanceCheck:
    """What was found of one instance, as far as one got."""

    instance: str
    facts: ServerFacts | None = None
    tool: DumpTool | None = None
    databases: int | None = None
    """How many the account sees, the system's own not counted."""
    findings: tuple[Finding, ...] = ()
    error: VyaBackupDBError | None = None
    """Why it ended early."""
    allow_partial: bool = False

    @property
    def ok(self) -> bool:
        """Whether a backup of the instance could begin."""
        grave = {Severity.FAULT} if self.allow_partial else {Severity.FAULT, Severity.PRIVILEGE}
        return self.error is None and not any(finding.severity in grave for finding in self.findings)


def check_connections(config: Config, vault: Vault, ids: Sequence[str] = ()) -> Iterator[InstanceCheck]:
    """Check the named instances, all where none is named, and give each result as it comes."""
    for instance in [config.instance(name) for name in dict.fromkeys(ids)] or config.instances:
        check = _check(instance, vault)
        log.debug(
            "connection checked",
            instance=check.instance,
            ok=check.ok,
            error=check.error.what if check.error else None,
        )
        yield check


def _check(instance: Instance, vault: Vault) -> InstanceCheck:
    facts: ServerFacts | None = None
    tool: DumpTool | None = None
    databases: int | None = None
    findings: tuple[Finding, ...] = ()
    error: VyaBackupDBError | None = None
    try:
        engine = engine_named(instance.engine)
        with engine.connect(instance, vault.credential(instance.id)) as connector:
            facts = connector.facts
            present = connector.databases()
            databases = len(present)
            findings = (*connector.examine_instance(), *idle_patterns(instance, present))
            tool = engine.find_tool(facts, instance)
            findings += tuple(_of_databases(instance, connector, choose_databases(instance, present, ())))
    except VyaBackupDBError as caught:
        error = caught
    return InstanceCheck(
        instance.id, facts, tool, databases, findings, error, allow_partial=instance.allow_partial
    )


def _of_databases(
    instance: Instance, connector: Connector, chosen: Sequence[DatabaseInfo]
) -> Iterator[Finding]:
    """Make the preflight of each database that a backup would take."""
    remains = remains_of_drops(instance, chosen)
    for info in chosen:
        if info.unavailable:
            severity = Severity.WARNING if info in remains else Severity.FAULT
            yield Finding(severity, f"{info.name}: cannot be dumped: {info.unavailable}", info.name)
            continue
        for finding in connector.plan(info.name).findings:
            yield replace(finding, what=f"{info.name}: {finding.what}")
