CREATE TABLE [a; b]([x y] INT, "q""q" TEXT, `b``b` TEXT, 'single' TEXT, "sel[ect]" INT);
INSERT INTO [a; b] VALUES(1,'2','3','4',5);
INSERT INTO "A; B"("X Y") VALUES(2);
CREATE TABLE "../é"(x INT REFERENCES "a; b"([x y]), y INT REFERENCES missing, FOREIGN KEY (x) REFERENCES "a; b");
INSERT INTO "../é" VALUES(1,2);
