CREATE TABLE dbo.t (a int)
GO 2
INSERT dbo.t VALUES (1)
GO 5
