-- vya-backupdb archive 1
\restrict 99YLjNXYJzJPIg69X8SSPO5vqP814vEbaJ23Ag0Cj627sQ9ENeJZsKdjsUgdna6
SET default_transaction_read_only = off;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE ROLE golden_reader;
ALTER ROLE golden_reader WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
\unrestrict 99YLjNXYJzJPIg69X8SSPO5vqP814vEbaJ23Ag0Cj627sQ9ENeJZsKdjsUgdna6
-- PostgreSQL database cluster dump complete

-- vya-manifest: {"version":1,"codec":"none","raw_bytes":440,"rows":0,"largest_statement":108,"objects":["golden_reader"],"tables":{"golden_reader":0},"columns":["offset","length","raw_length","crc","kind","object","rows","sequential","largest_statement"],"frames":[[26,183,183,2410376506,"header",null,0,0,0],[209,136,136,2157117555,"schema",0,0,0,108],[345,121,121,916245313,"footer",null,0,0,0]]}
-- vya-locator: offset=466 length=401 raw_length=401 crc=0274b642 check=c854195d
