COPY public.t (b, a) FROM stdin;
x	1
\.
INSERT INTO nowhere VALUES ('q', 2);
CREATE TABLE public.t (a integer NOT NULL, b text);
CREATE TABLE public.empty (a integer);
