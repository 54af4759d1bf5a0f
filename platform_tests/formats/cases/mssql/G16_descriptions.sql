CREATE TABLE [dbo].[t] ([a] [int] NOT NULL, [b] [dbo].[Flag] NULL, [c] id, [geo] [geography] NULL)
GO
CREATE TYPE [dbo].[Flag] FROM [bit] NOT NULL
EXECUTE sp_addtype id, 'varchar(11)', 'NOT NULL'
GO
ALTER TABLE [dbo].[t] ADD CONSTRAINT [PK_t] PRIMARY KEY CLUSTERED ([a] ASC)
ALTER TABLE [dbo].[t] ADD  CONSTRAINT [DF]  DEFAULT ((1)) FOR [b]
ALTER TABLE [dbo].[t]  WITH NOCHECK ADD  CONSTRAINT [CK] CHECK  (([a]>(0) AND [b]<(5)))
ALTER TABLE [dbo].[t] CHECK CONSTRAINT [CK]
SET ANSI_PADDING ON
CREATE UNIQUE NONCLUSTERED INDEX [ux] ON [dbo].[t] ([c] ASC, [b] DESC)
GO
INSERT [dbo].[t] ([a], [c], [geo]) VALUES (1, 'x', 0xE6100000010C)
GO
EXEC sys.sp_addextendedproperty @name=N'MS_Description', @value=N'a starting point, DECIMAL(3,1), for the table''s [int] key' , @level0type=N'SCHEMA',@level0name=N'dbo', @level1type=N'TABLE',@level1name=N't', @level2type=N'COLUMN',@level2name=N'a'
GO
EXEC sys.sp_addextendedproperty N'MS_Description', N'All of t', N'SCHEMA', N'dbo', N'TABLE', N't'
GO
