USE [one]
GO
SET DATEFORMAT dmy
CREATE TABLE [dbo].[t] ([a] date)
INSERT [dbo].[t] ([a]) VALUES ('1/2/2020')
GO
USE [two]
GO
/****** Object:  Table [dbo].[t]    Script Date: 13/02/2020 10:11:12 ******/
CREATE TABLE [dbo].[t] ([a] int)
INSERT [dbo].[t] ([a]) VALUES (5)
GO
