IF NOT EXISTS (SELECT * FROM sys.objects WHERE object_id = OBJECT_ID(N'[dbo].[t]') AND type in (N'U'))
BEGIN
CREATE TABLE [dbo].[t] ([a] int, [b] [nvarchar](10))
END
GO
IF NOT EXISTS (SELECT 1 FROM [dbo].[t] WHERE [a] = 1)
    INSERT [dbo].[t] ([a], [b]) VALUES (1, N'x')
ELSE
    INSERT [dbo].[t] ([a], [b]) VALUES (1, N'y')
INSERT [dbo].[t] ([a], [b]) VALUES (2, N'z')
GO
BEGIN TRY
BEGIN TRANSACTION
INSERT [dbo].[t] ([a], [b]) VALUES (3, N'z')
COMMIT
END TRY
BEGIN CATCH
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
THROW
END CATCH
GO
