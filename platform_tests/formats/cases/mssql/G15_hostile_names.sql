CREATE TABLE [dbo].[we]]ird; -- "name" ../x] ([select] int, [a b] nvarchar(5), [ünï] int)
GO
INSERT [dbo].[we]]ird; -- "name" ../x] ([select], [a b], [ünï]) VALUES (1, N'[x]', 2)
INSERT [dbo].[we]]ird; -- "name" ../x] ([select], [a b], [ünï]) VALUES (2, N'y', 3)
GO
