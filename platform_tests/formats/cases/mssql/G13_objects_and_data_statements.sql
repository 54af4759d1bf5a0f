CREATE TABLE [dbo].[t] ([a] int, [b] int)
GO
CREATE VIEW [dbo].[v] AS SELECT [a] FROM [dbo].[t] WHERE [a] IN (1, 2)
GO
CREATE PROCEDURE [dbo].[p] @x int AS
BEGIN
  INSERT [dbo].[t] ([a], [b]) VALUES (99, 99)
  INSERT [dbo].[t] ([a], [b]) VALUES (98, 98)
END
GO
CREATE OR ALTER TRIGGER [dbo].[tr] ON [dbo].[t] AFTER INSERT, UPDATE AS
INSERT [dbo].[t] ([a], [b]) VALUES (97, 97)
GO
EXEC dbo.sp_executesql @statement = N'CREATE VIEW [dbo].[w] AS SELECT 1 AS x'
GO
GRANT SELECT, INSERT, UPDATE ON [dbo].[t] TO [reader]
CREATE USER [reader] FOR LOGIN [reader] WITH DEFAULT_SCHEMA=[dbo]
ALTER DATABASE [shop] SET RECOVERY FULL
ALTER TABLE [dbo].[t] ADD CONSTRAINT [FK] FOREIGN KEY ([b]) REFERENCES [dbo].[t] ([a]) ON DELETE CASCADE ON UPDATE SET NULL
CREATE NONCLUSTERED INDEX [ix] ON [dbo].[t] ([b] ASC) WITH (DROP_EXISTING = OFF)
GO
INSERT [dbo].[t] ([a], [b]) VALUES (1, 2)
UPDATE [dbo].[t] SET [b] = CASE WHEN [a] = 1 THEN 5 ELSE 6 END WHERE [a] = 1
DELETE FROM [dbo].[t] WHERE [a] = 2
INSERT INTO [dbo].[t] SELECT [a], [b] FROM [dbo].[old]
INSERT INTO [dbo].[t] EXEC [dbo].[p] 1
INSERT [dbo].[v] ([a]) VALUES (3)
MERGE [dbo].[t] AS d USING [dbo].[old] AS s ON d.a = s.a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b);
BULK INSERT [dbo].[t] FROM 'c:\t.bcp' WITH (DATAFILETYPE = 'native')
EXEC [dbo].[fill] 3
DECLARE @i int = 0
WHILE @i < 10
BEGIN
  INSERT [dbo].[t] ([a], [b]) VALUES (1, 1)
  SET @i = @i + 1
END
INSERT [dbo].[t] ([a], [b]) VALUES (2, (SELECT MAX(a) FROM [dbo].[t]))
INSERT [dbo].[t] ([a], [b]) VALUES (3)
INSERT [dbo].[t] ([a], [b]) VALUES (4, 4)
GO
