-- vya-backupdb archive 1
--
-- PostgreSQL database dump
--

\restrict byO4yLzXnPrmAsc5KXA1ERDOvfkm9nSqEdN9F9S56hsMvSaGMdMNDAJFjUsKUv1

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: how_many(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.how_many() RETURNS bigint
    LANGUAGE sql
    AS $$ SELECT count(*) FROM orders; $$;


ALTER FUNCTION public.how_many() OWNER TO postgres;

--
-- Name: numbers; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.numbers
    START WITH 7
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER TABLE public.numbers OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.orders (
    id integer NOT NULL,
    what text,
    at timestamp without time zone,
    raw bytea
);


ALTER TABLE public.orders OWNER TO postgres;

--
-- Name: recent; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.recent AS
 SELECT orders.id,
    orders.what
   FROM public.orders
  WHERE (orders.at > '2026-02-01 00:00:00'::timestamp without time zone);


ALTER TABLE public.recent OWNER TO postgres;

--
-- Name: 4711; Type: BLOB; Schema: -; Owner: postgres
--

SELECT pg_catalog.lo_create('4711');


ALTER LARGE OBJECT 4711 OWNER TO postgres;

--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.orders (id, what, at, raw) FROM stdin;
1	a;b'c	2026-01-02 03:04:05	\\x00ff5c27
2	Größe	2026-02-03 04:05:06	\N
\.


--
-- Name: numbers; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.numbers', 7, false);


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('4711', 131072);
SELECT pg_catalog.lowrite(0, '\x6c61726765206f626a656374');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


--
-- Name: TABLE orders; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.orders TO golden_reader;


--
-- PostgreSQL database dump complete
--

\unrestrict byO4yLzXnPrmAsc5KXA1ERDOvfkm9nSqEdN9F9S56hsMvSaGMdMNDAJFjUsKUv1


-- vya-manifest: {"version":1,"codec":"none","raw_bytes":2756,"rows":2,"largest_statement":159,"objects":["public.orders"],"tables":{"public.orders":2},"columns":["offset","length","raw_length","crc","kind","object","rows","sequential","largest_statement"],"frames":[[26,571,571,227637302,"header",null,0,0,74],[597,1204,1204,78506735,"schema",null,0,0,159],[1801,211,211,405853302,"rows",0,2,0,50],[2012,133,133,2604126879,"rows",null,0,0,53],[2145,218,218,2586603420,"rows",null,0,1,59],[2363,296,296,4226329694,"post",null,0,0,79],[2659,123,123,1325293377,"footer",null,0,0,76]]}
-- vya-locator: offset=2782 length=584 raw_length=584 crc=e7b1b7ae check=5a025a76
