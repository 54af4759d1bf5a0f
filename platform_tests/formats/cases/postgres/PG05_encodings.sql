SET client_encoding = 'LATIN1';
CREATE TABLE café (s text);
CREATE TABLE t (s text);
COPY café FROM stdin;
été
\.
INSERT INTO café VALUES ('ü');
SET client_encoding = 'SJIS';
COPY t FROM stdin;
•\
•
\.
SET client_encoding = 'KLINGON';
