CREATE TABLE [dbo].[t] ([a] int, [b] nvarchar(9))
GO
INSERT [dbo].[t] ([a], [b]) VALUES (1, N'x')
INSERT [dbo].[t] ([a], [b]) VALUES (2, N'y
