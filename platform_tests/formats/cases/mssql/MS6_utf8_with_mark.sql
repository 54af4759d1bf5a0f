USE [shop]
GO
/****** Object:  Table [dbo].[t]    Script Date: 4/22/2014 10:11:12 PM ******/
CREATE TABLE [dbo].[t] ([a] [nvarchar](20))
GO
INSERT [dbo].[t] ([a]) VALUES (N'café 😀')
INSERT [dbo].[t] ([a]) VALUES (N'two
lines')
GO
