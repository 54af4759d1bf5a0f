USE [master]
GO
IF EXISTS (SELECT name FROM sys.databases WHERE name = N'shop') DROP DATABASE [shop]
GO
CREATE DATABASE [shop]
GO
USE [shop]
GO
CREATE TABLE [dbo].[t] ([a] int)
CREATE TABLE [Person].[t] ([a] int, CONSTRAINT [FK] FOREIGN KEY ([a]) REFERENCES [dbo].[t] ([a]))
GO
INSERT [t] VALUES (1)
INSERT [Person].[t] VALUES (2)
INSERT [shop].[dbo].[t] VALUES (3)
INSERT shop..T VALUES (4)
GO
USE [archive]
GO
CREATE TABLE [dbo].[t] ([a] int)
INSERT [dbo].[t] VALUES (5)
GO
