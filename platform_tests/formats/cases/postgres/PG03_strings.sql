CREATE TABLE t (id integer, s text);
INSERT INTO t VALUES (1, E'a\'b\u00e9\\n\n\101\x42'), (2, U&'d\0061t\+00006F'), (3, U&'d!0061' UESCAPE '!'), (4, $tag$it's $$ \n$tag$);
INSERT INTO t VALUES (5, 'ad' 'jacent'
 'again'), (6, 'x'::text), (7, CAST('y' AS character varying(3))), (8, 'back\slash'), (9, N'n  '), (10, (-1)::text);
SET standard_conforming_strings = off;
INSERT INTO t VALUES (11, 'it\'s\n'), (12, 'plain');
SET standard_conforming_strings TO on;
INSERT INTO t VALUES (13, '\n');
CREATE TABLE b (id integer, bits bit varying(9), y bytea, f boolean);
INSERT INTO b VALUES (1, B'101', '\x00ff', true), (2, X'1F', E'\\x41', 'f'), (3, NULL, 'a\000\\b', 'yes'), (4, '1', '\xzz', NULL);
