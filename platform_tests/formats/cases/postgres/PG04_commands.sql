\restrict abc
\connect -reuse-previous=on "dbname='my db'"
\set ON_ERROR_STOP on
\! rm -rf /tmp/nothing
CREATE TABLE t (a integer);
\i other.sql
INSERT INTO t VALUES (1);
\copy t from 't.csv'
\unrestrict abc
