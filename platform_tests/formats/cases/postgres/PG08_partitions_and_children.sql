CREATE TABLE public.parted (id integer NOT NULL, d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE public.p2020 (d date NOT NULL, id integer NOT NULL);
CREATE TABLE public.p2021 PARTITION OF public.parted FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
CREATE TABLE public.p2021a PARTITION OF public.p2021 DEFAULT;
CREATE TABLE public.parent (id integer NOT NULL);
CREATE TABLE public.child (extra text) INHERITS (public.parent);
COPY public.p2020 (d, id) FROM stdin;
2020-05-05	1
\.
COPY public.p2021a (id, d) FROM stdin;
2	2021-05-05
\.
INSERT INTO public.p2020 VALUES ('2020-06-06', 3);
COPY public.parent (id) FROM stdin;
1
\.
COPY public.child (id, extra) FROM stdin;
2	c
\.
ALTER TABLE ONLY public.parted ATTACH PARTITION public.p2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
ALTER TABLE ONLY public.parted ADD CONSTRAINT parted_pkey PRIMARY KEY (id, d);
