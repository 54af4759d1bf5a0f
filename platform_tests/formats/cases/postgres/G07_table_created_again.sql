CREATE TABLE t (a integer);
INSERT INTO t VALUES (1);
DROP TABLE IF EXISTS t;
CREATE TABLE t (a integer, b text);
INSERT INTO t VALUES (2, 'x');
CREATE TABLE u (a integer);
COPY u FROM stdin;
1
\.
TRUNCATE TABLE u;
COPY u FROM stdin;
2
\.
CREATE TABLE v (a integer);
INSERT INTO v VALUES (1);
DROP TABLE v;
CREATE TABLE IF NOT EXISTS t (z integer);
