SET ANSI_NULLS ON
SET QUOTED_IDENTIFIER ON
GO
CREATE TABLE [dbo].[t]([a] [int] NOT NULL, [b] [nvarchar](20) NULL) ON [PRIMARY]
go
INSERT [dbo].[t] ([a], [b]) VALUES (1, N'GO
GO
is text')
GO -- a batch ends here
  Go  
INSERT [dbo].[t] ([a], [b]) VALUES (2, N'two') INSERT [dbo].[t] ([a], [b]) VALUES (3, N'three')
INSERT [dbo].[t] ([a], [b]) VALUES (4, N'four');
INSERT [dbo].[t] ([a], [b])
VALUES (5, N'five')
/* GO
GO /* nested */ GO
*/
GO
PRINT 'GO'
go 1
