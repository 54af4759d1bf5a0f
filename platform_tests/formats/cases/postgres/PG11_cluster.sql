--
-- PostgreSQL database cluster dump
--

CREATE ROLE app;
ALTER ROLE app WITH LOGIN PASSWORD 'SCRAM-SHA-256$secret';

\connect one

--
-- PostgreSQL database dump
--

-- Dumped from database version 16.1
-- Dumped by pg_dump version 16.1

-- Started on 2024-01-02 03:04:05 UTC

CREATE TABLE public.t (a integer);
CREATE TABLE other.t (a integer);
COPY public.t (a) FROM stdin;
1
\.
COPY other.t (a) FROM stdin;
2
\.
-- Completed on 2024-01-02 03:04:09 UTC

--
-- PostgreSQL database dump complete
--

\connect two

--
-- PostgreSQL database dump
--

CREATE TABLE public.t (a integer);
COPY public.t (a) FROM stdin;
3
\.

--
-- PostgreSQL database dump complete
--

--
-- PostgreSQL database cluster dump complete
--

