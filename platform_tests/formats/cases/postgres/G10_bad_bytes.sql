CREATE TABLE t (a integer, b text);
COPY t FROM stdin;
1	ok
2	no ÿ
3	carriagereturn
4	fine
\.
