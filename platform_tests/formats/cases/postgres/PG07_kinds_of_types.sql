CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
CREATE TABLE t (a text[], i integer ARRAY, m mood, p posint, j jsonb, u uuid, r int4range, x public.hstore, c character(3), b bytea);
COPY t FROM stdin;
{"a,b","c\\"d","NULL",NULL,""}	[0:1]={1,2}	it's	5	{"k": 1, "k": 2}	00000000-0000-0000-0000-000000000001	[1,5)	"a"=>"b"	ab 	\\x00ff
\.
SELECT pg_catalog.lo_create('4242');
SELECT pg_catalog.lowrite(0, '\xdeadbeef');
