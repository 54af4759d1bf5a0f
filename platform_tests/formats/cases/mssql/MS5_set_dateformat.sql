SET DATEFORMAT dmy
GO
create table dbo.t (n int, d datetime, d2 datetime2)
GO
insert into dbo.t values (1, '3/4/98', '3/4/98')
insert into dbo.t values (2, '2004-03-05', '2004-03-05')
insert into dbo.t values (3, '2004-03-05T00:00:00', '20040305 10:00')
GO
SET LANGUAGE us_english
insert into dbo.t values (4, '3/4/98', '3/4/98')
GO
