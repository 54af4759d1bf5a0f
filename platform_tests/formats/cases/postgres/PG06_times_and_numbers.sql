CREATE TABLE t (id integer, tz timestamp with time zone, d date, t time without time zone, n numeric, p numeric(6,2), f double precision, m money);
COPY t FROM stdin;
1	2020-12-29 19:00:00-05	2020-02-29	23:59:59.5	NaN	1.50	Infinity	$1,234.56
2	0044-03-15 12:00:00+00 BC	0044-03-15 BC	24:00:00	123456789012345678901234567890.123456789012345678901234567890	NaN	1e-05	\N
3	infinity	-infinity	\N	-0.10	-1000.00	-0	\N
4	1900-01-01 00:00:00+00:19:32	12000-01-01	\N	\N	\N	0.1	\N
\.
INSERT INTO t (id, tz, d) VALUES (5, '2020/1/2 3:4', '2020-1-2');
