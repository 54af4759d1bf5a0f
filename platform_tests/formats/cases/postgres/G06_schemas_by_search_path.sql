SET search_path = sales, pg_catalog;
CREATE TABLE t (a integer);
INSERT INTO t VALUES (1);
SELECT pg_catalog.set_config('search_path', 'hr', false);
CREATE TABLE t (a integer);
INSERT INTO t VALUES (2);
