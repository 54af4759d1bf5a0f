PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t(x);
INSERT INTO t VALUES(1);
/****** CORRUPTION ERROR *******/
/****** database disk image is malformed ******/
ROLLBACK; -- due to errors
