CREATE TABLE t (a integer, b text);
COPY t FROM stdin;
1	one
2
3	three	more
4	four
\.
