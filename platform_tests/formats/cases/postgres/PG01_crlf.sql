CREATE TABLE t (a integer, s text);
COPY t FROM stdin;
1	x
2	y\r
\.
INSERT INTO t VALUES (3, 'z');
