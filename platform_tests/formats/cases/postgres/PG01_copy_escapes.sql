CREATE TABLE public.t (id integer, s text);
CREATE TABLE public.one (s text);
CREATE TABLE public.none ();
COPY public.t (id, s) FROM stdin;
1	tab\tlf\ncr\rbs\\end
2	\N
3	\\N
4	\\.
5	\101\x42\v\f\b\q
6	
7	two\
lines
8	COPY x FROM stdin; -- ' $$
\.
COPY one FROM stdin;

\N
\\N
\.
COPY public.none  FROM stdin;


\.
