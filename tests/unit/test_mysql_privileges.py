from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.privileges import Privileges, parse_grants

ACCOUNT = "`backup`@`%`"


def held(
    *lines: str, patterns: bool = True, merged_roles: bool = False, fold_case: bool = False
) -> Privileges:
    return Privileges(
        ACCOUNT, parse_grants(lines), patterns=patterns, merged_roles=merged_roles, fold_case=fold_case
    )


def on(privileges: Privileges, database: str) -> list[str]:
    return [
        name for name in ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT") if privileges.on_database(name, database)
    ]


def test_a_global_grant_covers_every_database() -> None:
    privileges = held("GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO `backup`@`%`")
    assert on(privileges, "shop") == ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]
    assert privileges.everywhere("SELECT")
    assert not privileges.everywhere("PROCESS")


def test_all_privileges_of_a_database_cover_it_and_no_other() -> None:
    privileges = held(
        "GRANT USAGE ON *.* TO `backup`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `backup`@`%`"
    )
    assert on(privileges, "shop") == ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]
    assert on(privileges, "shop2") == []


def test_the_password_hash_in_a_grant_of_mariadb_does_not_hide_it() -> None:
    privileges = held("GRANT SELECT ON *.* TO `backup`@`%` IDENTIFIED BY PASSWORD '*ABC' REQUIRE SSL")
    assert privileges.everywhere("SELECT")


def test_grants_of_mysql_5_7_with_names_between_quotes_are_read() -> None:
    assert held("GRANT SELECT, PROCESS ON *.* TO 'backup'@'%'").everywhere("PROCESS")


def test_grants_on_tables_and_columns_do_not_count_for_the_database() -> None:
    privileges = held(
        "GRANT SELECT ON `shop`.`orders` TO `backup`@`%`",
        "GRANT SELECT (`a`, `b`), TRIGGER ON `shop`.`items` TO `backup`@`%`",
    )
    assert on(privileges, "shop") == []
    assert privileges.on_table("SELECT", "shop", "orders")
    assert privileges.on_table("TRIGGER", "shop", "items")
    assert not privileges.on_table("SELECT", "shop", "items")


def test_grants_on_routines_roles_and_proxies_count_for_nothing() -> None:
    privileges = held(
        "GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `backup`@`%`",
        "GRANT `reader`@`%`,`writer`@`%` TO `backup`@`%`",
        "GRANT PROXY ON ``@`%` TO `backup`@`%` WITH GRANT OPTION",
        "SET DEFAULT ROLE `reader` FOR `backup`@`%`",
    )
    assert privileges.grants == ()


def test_names_with_quotes_and_words_of_sql_in_them_are_read_whole() -> None:
    privileges = held('GRANT SELECT ON `we``ird "q" ON *.* TO (x)`.* TO `backup`@`%`')
    assert privileges.on_database("SELECT", 'we`ird "q" ON *.* TO (x)')
    assert not privileges.everywhere("SELECT")


def test_a_column_whose_name_looks_like_a_grant_gives_nothing() -> None:
    privileges = held("GRANT SELECT (`a) ON *.* TO `) ON `shop`.`t` TO `backup`@`%`")
    assert not privileges.everywhere("SELECT")


def test_dynamic_privileges_without_blanks_between_them_are_read() -> None:
    privileges = held("GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `backup`@`%`")
    assert privileges.everywhere("SHOW_ROUTINE")


@pytest.mark.parametrize(
    ("pattern", "database", "fits"),
    [
        ("shop%", "shop1", True),
        ("sh_p", "shop", True),
        ("sh\\_p", "shop", False),
        ("sh\\_p", "sh_p", True),
        ("%", "line\nbreak", True),
        ("a.b", "aXb", False),
        ("SHOP", "shop", False),
    ],
)
def test_granted_names_are_patterns(pattern: str, database: str, *, fits: bool) -> None:
    privileges = held(f"GRANT SELECT ON `{pattern}`.* TO `backup`@`%`")
    assert privileges.on_database("SELECT", database) is fits


def test_with_partial_revokes_granted_names_are_no_patterns() -> None:
    privileges = held("GRANT SELECT ON `shop%`.* TO `backup`@`%`", patterns=False)
    assert not privileges.on_database("SELECT", "shop1")
    assert privileges.on_database("SELECT", "shop%")


def test_case_is_folded_where_the_server_folds_it() -> None:
    assert held("GRANT SELECT ON `Shop`.* TO `backup`@`%`", fold_case=True).on_database("SELECT", "shop")


def test_a_partial_revoke_takes_the_global_privilege_from_one_database() -> None:
    privileges = held(
        "GRANT SELECT, TRIGGER ON *.* TO `backup`@`%`",
        "REVOKE SELECT ON `shop`.* FROM `backup`@`%`",
        patterns=False,
    )
    assert on(privileges, "shop") == ["TRIGGER"]
    assert on(privileges, "other") == ["SELECT", "TRIGGER"]
    assert not privileges.everywhere_but_revoked("SELECT", "shop")


def test_an_exact_grant_hides_one_by_a_wildcard() -> None:
    privileges = held(
        "GRANT SELECT ON `shop%`.* TO `backup`@`%`", "GRANT TRIGGER ON `shop`.* TO `backup`@`%`"
    )
    assert on(privileges, "shop") == ["TRIGGER"]
    assert on(privileges, "shop2") == ["SELECT"]


@pytest.mark.parametrize("merged_roles", [False, True])
def test_of_two_wildcards_only_what_both_give_is_certain(*, merged_roles: bool) -> None:
    privileges = held(
        "GRANT SELECT, EVENT ON `sh%`.* TO `backup`@`%`",
        "GRANT SELECT, TRIGGER ON `shop%`.* TO `backup`@`%`",
        merged_roles=merged_roles,
    )
    assert on(privileges, "shop1") == ["SELECT"]


def test_a_name_with_escaped_wildcards_is_exact() -> None:
    privileges = held(
        "GRANT SELECT ON `my%`.* TO `backup`@`%`", "GRANT TRIGGER ON `my\\_shop`.* TO `backup`@`%`"
    )
    assert on(privileges, "my_shop") == ["TRIGGER"]


def test_with_merged_roles_the_very_name_counts_though_it_holds_wildcards() -> None:
    privileges = held(
        "GRANT SELECT ON `my%`.* TO `backup`@`%`",
        "GRANT TRIGGER ON `my_shop`.* TO `backup`@`%`",
        merged_roles=True,
    )
    assert on(privileges, "my_shop") == ["TRIGGER"]


def test_a_denied_privilege_is_not_held() -> None:
    privileges = held(
        "GRANT SELECT, EVENT ON *.* TO `backup`@`%`", "DENY SELECT ON `shop`.`t` TO `backup`@`%`"
    )
    assert on(privileges, "shop") == ["EVENT"]


def test_on_mariadb_user_role_and_public_add_up() -> None:
    privileges = held(
        "GRANT SELECT ON `shop`.* TO `backup`@`%`",
        "GRANT TRIGGER ON `shop%`.* TO `reader`",
        "GRANT SHOW VIEW ON *.* TO PUBLIC",
    )
    assert on(privileges, "shop") == ["SELECT", "SHOW VIEW", "TRIGGER"]


def test_the_cure_grants_on_the_escaped_database() -> None:
    assert (
        held().mend(["SELECT", "EVENT"], "my_shop") == "GRANT SELECT, EVENT ON `my\\_shop`.* TO `backup`@`%`"
    )
    assert held().mend(["PROCESS"], None) == "GRANT PROCESS ON *.* TO `backup`@`%`"
