--
-- PostgreSQL database dump
--

\restrict Zu3is9a5ndo7b6Ht1rhkxJRP4FITH9JzvkQXGDHSvEq1iR3gjwTUJwsD2Udrpm7

-- Dumped from database version 17.10
-- Dumped by pg_dump version 17.10

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: Odd "name"; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public."Odd ""name""" (
    x numeric(9,2),
    y timestamp with time zone
);


ALTER TABLE public."Odd ""name""" OWNER TO postgres;

--
-- Name: empty; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.empty (
    a text
);


ALTER TABLE public.empty OWNER TO postgres;

--
-- Name: t; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.t (
    id integer NOT NULL,
    name text,
    data bytea
);


ALTER TABLE public.t OWNER TO postgres;

--
-- Data for Name: Odd "name"; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public."Odd ""name""" (x, y) FROM stdin;
1.50	2024-02-03 04:05:06+00
\N	\N
\.


--
-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.empty (a) FROM stdin;
\.


--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.t (id, name, data) FROM stdin;
1	line\n\\ tab\t é 1	\\xc4ca4238a0b923820dcc509a6f75849b
2	line\n\\ tab\t é 2	\\xc81e728d9d4c2f636f067f89cc14862c
3	line\n\\ tab\t é 3	\\xeccbc87e4b5ce2fe28308fd9f2a7baf3
4	line\n\\ tab\t é 4	\\xa87ff679a2f3e71d9181a67b7542122c
5	\N	\\xe4da3b7fbbce2345d7772b0674a318d5
6	line\n\\ tab\t é 6	\\x1679091c5a880faf6fb5e6087eb1b2dc
7	line\n\\ tab\t é 7	\\x8f14e45fceea167a5a36dedd4bea2543
8	line\n\\ tab\t é 8	\\xc9f0f895fb98ab9159f51fd0297e236d
9	line\n\\ tab\t é 9	\\x45c48cce2e2d7fbdea1afc51c7c6ad26
10	\N	\\xd3d9446802a44259755d38e6d163e820
11	line\n\\ tab\t é 11	\\x6512bd43d9caa6e02c990b0a82652dca
12	line\n\\ tab\t é 12	\\xc20ad4d76fe97759aa27a0c99bff6710
13	line\n\\ tab\t é 13	\\xc51ce410c124a10e0db5e4b97fc2af39
14	line\n\\ tab\t é 14	\\xaab3238922bcc25a6f606eb525ffdc56
15	\N	\\x9bf31c7ff062936a96d3c8bd1f8f2ff3
16	line\n\\ tab\t é 16	\\xc74d97b01eae257e44aa9d5bade97baf
17	line\n\\ tab\t é 17	\\x70efdf2ec9b086079795c442636b55fb
18	line\n\\ tab\t é 18	\\x6f4922f45568161a8cdf4ad2299f6d23
19	line\n\\ tab\t é 19	\\x1f0e3dad99908345f7439f8ffabdffc4
20	\N	\\x98f13708210194c475687be6106a3b84
21	line\n\\ tab\t é 21	\\x3c59dc048e8850243be8079a5c74d079
22	line\n\\ tab\t é 22	\\xb6d767d2f8ed5d21a44b0e5886680cb9
23	line\n\\ tab\t é 23	\\x37693cfc748049e45d87b8c7d8b9aacd
24	line\n\\ tab\t é 24	\\x1ff1de774005f8da13f42943881c655f
25	\N	\\x8e296a067a37563370ded05f5a3bf3ec
26	line\n\\ tab\t é 26	\\x4e732ced3463d06de0ca9a15b6153677
27	line\n\\ tab\t é 27	\\x02e74f10e0327ad868d138f2b4fdd6f0
28	line\n\\ tab\t é 28	\\x33e75ff09dd601bbe69f351039152189
29	line\n\\ tab\t é 29	\\x6ea9ab1baa0efb9e19094440c317e21b
30	\N	\\x34173cb38f07f89ddbebc2ac9128303f
31	line\n\\ tab\t é 31	\\xc16a5320fa475530d9583c34fd356ef5
32	line\n\\ tab\t é 32	\\x6364d3f0f495b6ab9dcf8d3b5c6e0b01
33	line\n\\ tab\t é 33	\\x182be0c5cdcd5072bb1864cdee4d3d6e
34	line\n\\ tab\t é 34	\\xe369853df766fa44e1ed0ff613f563bd
35	\N	\\x1c383cd30b7c298ab50293adfecb7b18
36	line\n\\ tab\t é 36	\\x19ca14e7ea6328a42e0eb13d585e4c22
37	line\n\\ tab\t é 37	\\xa5bfc9e07964f8dddeb95fc584cd965d
38	line\n\\ tab\t é 38	\\xa5771bce93e200c36f7cd9dfd0e5deaa
39	line\n\\ tab\t é 39	\\xd67d8ab4f4c10bf22aa353e27879133c
40	\N	\\xd645920e395fedad7bbbed0eca3fe2e0
41	line\n\\ tab\t é 41	\\x3416a75f4cea9109507cacd8e2f2aefc
42	line\n\\ tab\t é 42	\\xa1d0c6e83f027327d8461063f4ac58a6
43	line\n\\ tab\t é 43	\\x17e62166fc8586dfa4d1bc0e1742c08b
44	line\n\\ tab\t é 44	\\xf7177163c833dff4b38fc8d2872f1ec6
45	\N	\\x6c8349cc7260ae62e3b1396831a8398f
46	line\n\\ tab\t é 46	\\xd9d4f495e875a2e075a1a4a6e1b9770f
47	line\n\\ tab\t é 47	\\x67c6a1e7ce56d3d6fa748ab6d9af3fd7
48	line\n\\ tab\t é 48	\\x642e92efb79421734881b53e1e1b18b6
49	line\n\\ tab\t é 49	\\xf457c545a9ded88f18ecee47145a72c0
50	\N	\\xc0c7c76d30bd3dcaefc96f40275bdc0a
51	line\n\\ tab\t é 51	\\x2838023a778dfaecdc212708f721b788
52	line\n\\ tab\t é 52	\\x9a1158154dfa42caddbd0694a4e9bdc8
53	line\n\\ tab\t é 53	\\xd82c8d1619ad8176d665453cfb2e55f0
54	line\n\\ tab\t é 54	\\xa684eceee76fc522773286a895bc8436
55	\N	\\xb53b3a3d6ab90ce0268229151c9bde11
56	line\n\\ tab\t é 56	\\x9f61408e3afb633e50cdf1b20de6f466
57	line\n\\ tab\t é 57	\\x72b32a1f754ba1c09b3695e0cb6cde7f
58	line\n\\ tab\t é 58	\\x66f041e16a60928b05a7e228a89c3799
59	line\n\\ tab\t é 59	\\x093f65e080a295f8076b1c5722a46aa2
60	\N	\\x072b030ba126b2f4b2374f342be9ed44
\.


--
-- Name: 4242; Type: BLOB METADATA; Schema: -; Owner: postgres
--

SELECT pg_catalog.lo_create('4242');

ALTER LARGE OBJECT 4242 OWNER TO postgres;

--
-- Data for Name: 4242; Type: BLOBS; Schema: -; Owner: postgres
--

BEGIN;

SELECT pg_catalog.lo_open('4242', 131072);
SELECT pg_catalog.lowrite(0, '\x0001020304');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.t
    ADD CONSTRAINT t_pkey PRIMARY KEY (id);


--
-- PostgreSQL database dump complete
--

\unrestrict Zu3is9a5ndo7b6Ht1rhkxJRP4FITH9JzvkQXGDHSvEq1iR3gjwTUJwsD2Udrpm7

