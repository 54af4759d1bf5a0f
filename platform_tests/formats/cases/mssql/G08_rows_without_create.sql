USE [shop]
GO
INSERT [dbo].[t] ([a], [b]) VALUES (1, N'x')
INSERT [dbo].[u] VALUES (1, 2.50, 0xFF, CAST(N'2020-01-01' AS Date))
INSERT [dbo].[w] SELECT 1, 'a' UNION ALL SELECT 2, 'b'
INSERT [dbo].[t] ([a], [zz]) VALUES (1, N'x')
GO
CREATE TABLE [dbo].[empty] ([a] int)
GO
