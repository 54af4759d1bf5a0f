CREATE TABLE t (a text, b text);
COPY t FROM stdin DELIMITER '|' NULL '';
1|
|2
\.
COPY t (b, a) FROM stdin WITH (FORMAT text, DELIMITER ';', NULL 'none');
none;x
\.
COPY t FROM stdin WITH (FORMAT csv);
"1","2"
\.
COPY t FROM '/tmp/t.dat';
COPY t TO stdout;
