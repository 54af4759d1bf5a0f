--
-- PostgreSQL database dump
--

CREATE TABLE public.a (i integer);

--
-- PostgreSQL database dump complete
--

--
-- PostgreSQL database dump
--

CREATE TABLE public.b (i integer);
COPY public.b (i) FROM stdin;
1
2
