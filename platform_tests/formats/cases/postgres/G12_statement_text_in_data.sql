CREATE TABLE t (id integer, s text);
INSERT INTO t VALUES (1, 'a;b -- c /* d'), (2, 'INSERT INTO t VALUES (9, ''x'');'), (3, 'COPY t FROM stdin;
\.
');
/* a comment /* in a comment */ INSERT INTO t VALUES (8, 'no'); */
COPY t FROM stdin;
4	INSERT INTO t VALUES (9, 'y');
5	-- PostgreSQL database dump complete
\.
