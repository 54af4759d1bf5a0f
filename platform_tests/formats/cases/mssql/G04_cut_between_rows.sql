/****** Object:  Table [dbo].[t]    Script Date: 22.04.2014 10:11:12 ******/
CREATE TABLE [dbo].[t] ([a] int identity)
GO
SET IDENTITY_INSERT [dbo].[t] ON
INSERT [dbo].[t] ([a]) VALUES (1)
