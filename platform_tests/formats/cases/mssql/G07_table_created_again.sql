CREATE TABLE [dbo].[t] ([a] int)
GO
INSERT [dbo].[t] ([a]) VALUES (1), (2)
GO
IF OBJECT_ID('dbo.t') IS NOT NULL
    DROP TABLE [dbo].[t]
GO
CREATE TABLE [dbo].[t] ([a] int, [b] int)
INSERT [dbo].[t] ([a], [b]) VALUES (3, 4)
GO
CREATE TABLE [dbo].[u] ([id] int identity, [a] int)
INSERT [dbo].[u] VALUES (1)
INSERT [dbo].[u] VALUES (1)
TRUNCATE TABLE [dbo].[u]
INSERT [dbo].[u] VALUES (2)
DELETE FROM dbo.u
INSERT [dbo].[u] VALUES (3)
GO
