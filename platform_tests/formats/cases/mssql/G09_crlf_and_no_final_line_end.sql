CREATE TABLE [dbo].[t] ([a] [nvarchar](20), [b] int)
GO
INSERT [dbo].[t] ([a], [b]) VALUES (N'a
b', 1)
GO
INSERT [dbo].[t] ([a], [b]) VALUES (N'﻿', 2)
GO