CREATE TABLE [dbo].[t] ([a] [nvarchar](max))
GO
INSERT [dbo].[t] ([a]) VALUES (N'INSERT [dbo].[t] ([a]) VALUES (N''x'')
GO
; -- /* DROP TABLE [dbo].[t]')
INSERT [dbo].[t] ([a]) VALUES (N'/*'), (N'--'), (N'*/'), (N')'), (N',(')
GO
