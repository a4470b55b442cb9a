"""What a PostgreSQL database is, asked of the server: also what no dump shows.

Two databases with equal fingerprints hold the same objects, owners, privileges, properties and values. Oids
and positions of columns (which dropped columns shift) are no part of it, nor is `pg_attver`, with which some
builds of the server stamp each column, and which their pg_dump leaves out.
"""

from __future__ import annotations

from typing import Final

from scripts.sample.clients import run_sql
from vya_backupdb.scratch import ScratchServer

_OWN: Final = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"

_CATALOGS: Final = {
    "objects": r"""
        select distinct i.type, i.identity from (
            select classid, objid from pg_depend union select refclassid, refobjid from pg_depend
            union select classoid, objoid from pg_description where objsubid = 0
            union select 'pg_namespace'::regclass, oid from pg_namespace
            union select 'pg_largeobject'::regclass, oid from pg_largeobject_metadata
        ) d, pg_identify_object(classid, objid, 0) i
        where objid >= 16384 and i.identity !~ 'pg_toast|_ConstraintTrigger_' order by 1, 2
    """,
    "comments": """
        select i.type, i.identity, objsubid, description
        from pg_description, pg_identify_object(classoid, objoid, objsubid) i
        where objoid >= 16384 or i.identity = 'public' order by 1, 2, 3
    """,
    "members of extensions": """
        select i.type, i.identity, e.extname, d.deptype
        from pg_depend d join pg_extension e on e.oid = refobjid
        cross join lateral pg_identify_object(classid, objid, 0) i
        where refclassid = 'pg_extension'::regclass order by 1, 2, 3
    """,
    "extensions": """
        select extname, extversion, extnamespace::regnamespace, extrelocatable,
            (select array_agg(c::regclass order by c::regclass::text) from unnest(extconfig) c),
            (select array_agg(c order by c) from unnest(extcondition) c) from pg_extension order by 1
    """,
    "relations": f"""
        select c.oid::regclass, c.relkind, c.relpersistence, c.reloptions, t.reloptions, c.relreplident,
            c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relispartition, c.relhasrules,
            pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), c.relowner::regrole,
            (select array_agg(a::text order by a::text) from unnest(c.relacl) a), s.spcname, m.amname,
            c.reloftype::regtype, array(select unnest(f.ftoptions) order by 1)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        left join pg_class t on t.oid = c.reltoastrelid
        left join pg_tablespace s on s.oid = c.reltablespace left join pg_am m on m.oid = c.relam
        left join pg_foreign_table f on f.ftrelid = c.oid where {_OWN} order by c.oid::regclass::text
    """,
    "columns": f"""
        select c.oid::regclass, row_number() over (partition by c.oid order by attnum), attname,
            format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation, attstorage,
            attcompression, coalesce(attstattarget, -1),
            array(select o from unnest(attoptions) o where o !~ '^pg_attver=' order by 1), attfdwoptions,
            attidentity, attgenerated,
            attislocal, attinhcount, (select array_agg(x::text order by x::text) from unnest(attacl) x),
            pg_get_expr(d.adbin, d.adrelid)
        from pg_attribute a join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = c.relnamespace
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = attnum
        where {_OWN} and attnum > 0 and not attisdropped order by c.oid::regclass::text, attnum
    """,
    "inheritance": "select inhrelid::regclass, inhparent::regclass, inhseqno from pg_inherits"
    " order by inhrelid::regclass::text, inhseqno",
    "indexes": f"""
        select i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), indisclustered, indisvalid, indisready,
            indisreplident, indimmediate, indisexclusion
        from pg_index i join pg_class c on c.oid = indexrelid join pg_namespace n on n.oid = c.relnamespace
        where {_OWN} order by i.indexrelid::regclass::text
    """,
    "constraints": f"""
        select conrelid::regclass, contypid::regtype, conname, contype, condeferrable, condeferred,
            convalidated, conislocal, coninhcount, connoinherit and contype = 'c', pg_get_constraintdef(c.oid)
        from pg_constraint c join pg_namespace n on n.oid = connamespace
        where {_OWN} order by conrelid::regclass::text, contypid::regtype::text, conname
    """,
    "triggers": "select tgrelid::regclass, tgname, tgenabled, tgdeferrable, tginitdeferred,"
    " pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by tgrelid::regclass::text, tgname",
    "triggers of constraints": "select tgrelid::regclass, tgenabled, count(*) from pg_trigger"
    " where tgisinternal group by tgrelid, tgenabled order by tgrelid::regclass::text, 2",
    "rules": f"""
        select ev_class::regclass, rulename, ev_enabled, pg_get_ruledef(r.oid) from pg_rewrite r
        join pg_class c on c.oid = ev_class join pg_namespace n on n.oid = c.relnamespace
        where {_OWN} order by ev_class::regclass::text, rulename
    """,
    "policies": "select * from pg_policies order by schemaname, tablename, policyname",
    "event triggers": "select evtname, evtevent, evtowner::regrole, evtfoid::regproc, evtenabled, evttags"
    " from pg_event_trigger order by 1",
    "routines": f"""
        select p.oid::regprocedure, proowner::regrole, l.lanname, prokind, procost, prorows, prosupport,
            prosecdef, proleakproof, proisstrict, proretset, provolatile, proparallel, proconfig, prosrc,
            probin,
            pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), pg_get_function_sqlbody(p.oid),
            (select array_agg(x::text order by x::text) from unnest(proacl) x), protrftypes::regtype[]
        from pg_proc p join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang
        where {_OWN} order by p.oid::regprocedure::text
    """,
    "types": f"""
        select t.oid::regtype, typowner::regrole, typtype, typcategory, typispreferred, typdelim, typlen,
            typbyval, typalign, typstorage, typnotnull, typbasetype::regtype, typtypmod, typdefault,
            typcollation::regcollation, (select array_agg(x::text order by x::text) from unnest(typacl) x),
            (select array_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid)
        from pg_type t join pg_namespace n on n.oid = typnamespace where {_OWN} order by t.oid::regtype::text
    """,
    "schemas": "select nspname, nspowner::regrole, (select array_agg(x::text order by x::text)"
    " from unnest(nspacl) x) from pg_namespace where nspname !~ '^pg_toast|^pg_temp' order by 1",
    "default privileges": "select defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace,"
    " defaclobjtype, (select array_agg(x::text order by x::text) from unnest(defaclacl) x)"
    " from pg_default_acl order by 1, 2, 3",
    "privileges of the system's own": """
        select i.type, i.identity, a from (
            select 'pg_class'::regclass as class, oid, relacl as acl from pg_class where oid < 16384
            union all select 'pg_proc'::regclass, oid, proacl from pg_proc where oid < 16384
            union all select 'pg_type'::regclass, oid, typacl from pg_type where oid < 16384
            union all select 'pg_language'::regclass, oid, lanacl from pg_language
        ) o, pg_identify_object(class, oid, 0) i, unnest(acl) a order by 1, 2, a::text
    """,
    "statistics": "select stxname, stxnamespace::regnamespace, stxrelid::regclass, stxowner::regrole,"
    " stxkind, coalesce(stxstattarget, -1), pg_get_statisticsobjdef(oid) from pg_statistic_ext order by 2, 1",
    "large objects": """
        select m.oid, lomowner::regrole, (select array_agg(x::text order by x::text) from unnest(lomacl) x),
            length(lo_get(m.oid)), md5(lo_get(m.oid)) from pg_largeobject_metadata m order by 1
    """,
    "publications": "select pubname, pubowner::regrole, puballtables, pubinsert, pubupdate, pubdelete,"
    " pubtruncate, pubviaroot from pg_publication order by 1",
    "published tables": "select * from pg_publication_tables order by 1, 2, 3",
    "subscriptions": "select subname, subowner::regrole, subconninfo, subslotname, subsynccommit,"
    " subpublications, subbinary, substream from pg_subscription s join pg_database d on d.oid = subdbid"
    " where datname = current_database() order by 1",
    "foreign": """
        select 'wrapper', fdwname, fdwowner::regrole, fdwhandler::regproc, fdwvalidator::regproc,
            array(select unnest(fdwoptions) order by 1)::text, fdwacl::text from pg_foreign_data_wrapper
        union all select 'server', srvname, srvowner::regrole, null, null, concat(srvtype, srvversion,
            array(select unnest(srvoptions) order by 1)), srvacl::text from pg_foreign_server
        union all select 'mapping', srvname, usename::regrole, null, null,
            array(select unnest(umoptions) order by 1)::text, null
            from pg_user_mappings where umuser <> 0 order by 1, 2, 3
    """,
    "others": """
        select 'cast', format('%s as %s', castsource::regtype, casttarget::regtype), castcontext::text,
            castmethod::text, castfunc::regproc::text from pg_cast where oid >= 16384
        union all select 'operator', oprname, oprleft::regtype::text || oprright::regtype::text,
            concat_ws(' ', oprcode, oprcom::regoper, oprnegate::regoper, oprrest, oprjoin, oprcanmerge,
            oprcanhash), oprowner::regrole::text from pg_operator where oid >= 16384
        union all select 'operator class', opcname, opcintype::regtype::text, concat_ws(' ',
            opckeytype::regtype, opcdefault), opcowner::regrole::text from pg_opclass where oid >= 16384
        union all select 'transform', trftype::regtype::text, l.lanname, trffromsql::regproc::text,
            trftosql::regproc::text from pg_transform t join pg_language l on l.oid = trflang
        union all select 'access method', amname, amtype::text, amhandler::text, ''
            from pg_am where oid >= 16384
        union all select 'conversion', conname, concat_ws(' ', conforencoding, contoencoding), conproc::text,
            condefault::text from pg_conversion where oid >= 16384
        union all select 'collation', collname, concat_ws(' ', collprovider, collisdeterministic),
            '', concat(collcollate, collctype) from pg_collation where collnamespace <> 11
        union all select 'dictionary', dictname, dictinitoption, '', '' from pg_ts_dict where oid >= 16384
        union all select 'configuration', cfgname, (select string_agg(concat_ws(' ', maptokentype, mapseqno,
            mapdict::regdictionary), ',' order by maptokentype, mapseqno) from pg_ts_config_map
            where mapcfg = c.oid), '', '' from pg_ts_config c where oid >= 16384
        order by 1, 2, 3
    """,
    "settings": "select coalesce(r.rolname, ''), unnest(setconfig) from pg_db_role_setting s"
    " left join pg_roles r on r.oid = setrole where setdatabase = (select oid from pg_database"
    " where datname = current_database()) order by 1, 2",
    "database": "select datdba::regrole, encoding, datcollate, datctype, datlocprovider, datconnlimit,"
    " datistemplate, (select array_agg(x::text order by x::text) from unnest(datacl) x),"
    " shobj_description(oid, 'pg_database'), dattablespace from pg_database"
    " where datname = current_database()",
    "sequences": f"""
        select c.oid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle,
            query_to_xml(format('select last_value, is_called from %s', c.oid::regclass), false, true, '')
        from pg_sequence join pg_class c on c.oid = seqrelid join pg_namespace n on n.oid = c.relnamespace
        where {_OWN} order by c.oid::regclass::text
    """,
    "rows": f"""
        select c.oid::regclass, query_to_xml(format(
            'select count(*) as n, sum(hashtextextended(t::text, 0)) as text,'
            ' sum(octet_length(t::text)) as bytes %s from only %s t',
            (select string_agg(format(', sum(hashtextextended(%ssend(%I)::text, 0))', typname, attname), ''
                order by attnum) from pg_attribute a join pg_type y on y.oid = atttypid
                where attrelid = c.oid and not attisdropped and attnum > 0 and typname ~ '^float[48]$'),
            c.oid::regclass), true, true, '')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {_OWN} and (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated)
        order by c.oid::regclass::text
    """,
}

_CALM: Final = """
    set client_encoding = 'UTF8'; set extra_float_digits = 3; set timezone = 'UTC'; set datestyle = 'ISO';
    set intervalstyle = 'postgres'; set bytea_output = 'hex'; set search_path = ''; set row_security = off;
    set quote_all_identifiers = off; set standard_conforming_strings = on; set statement_timeout = 0;
"""
"""Values are compared as they are, whatever the database's settings; names come with their schemas."""

_SINCE: Final = {"datlocprovider": 15, "pg_get_function_sqlbody(p.oid)": 14, "attcompression": 14}


def fingerprint(server: ScratchServer, database: str) -> dict[str, str]:
    """Give what each question finds; the texts are equal for databases that are the same."""
    major = server.binaries.version_number[0]
    found = {}
    for name, query in _CATALOGS.items():
        for column, since in _SINCE.items():
            if major < since:
                query = query.replace(column, "null")
        found[name] = run_sql(server, f"{_CALM} {query}", database)
    return found
