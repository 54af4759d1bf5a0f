SET QUOTED_IDENTIFIER OFF
GO
CREATE TABLE [dbo].[t] (a int, b varchar(20))
GO
INSERT [dbo].[t] VALUES (1, "it's ""so""")
INSERT [dbo].[t] VALUES (2, 'plain')
GO
