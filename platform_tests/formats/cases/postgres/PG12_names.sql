CREATE SCHEMA "Weird Schema";
CREATE TABLE "Weird Schema"."Mixed Case" ("Col A" integer, "sel""ect" text, Plain integer);
CREATE TABLE Folded (ID integer);
CREATE TABLE "../x; --" (U&"d\0061t" integer);
INSERT INTO FOLDED (Id) VALUES (1);
INSERT INTO "Weird Schema"."Mixed Case" VALUES (1, 'x', 2);
INSERT INTO "../x; --" VALUES (1);
