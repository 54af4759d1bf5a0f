CREATE TABLE [dbo].[t] ([a] [nvarchar](20))
GO
INSERT [dbo].[t] ([a]) VALUES (N'café €')
GO
