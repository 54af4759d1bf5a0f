INSERT INTO "named"(a,b) VALUES(1,'x');
INSERT INTO "unnamed" VALUES(1.5,NULL,X'00');
CREATE TABLE "empty"(a INT);
