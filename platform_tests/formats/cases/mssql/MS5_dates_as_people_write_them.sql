create table dbo.t (n int, d datetime)
GO
insert into dbo.t values (1, '12/12/93')
insert into dbo.t values (2, 'Dec 22 2000 11:04PM')
insert into dbo.t values (3, 'Jan 28 2019  5:55AM')
insert into dbo.t values (4, '3/4/98')
insert into dbo.t values (5, '13/12/1993')
insert into dbo.t values (6, '1962/2/18')
insert into dbo.t values (7, '04/22/2014 10:11:12.999')
insert into dbo.t values (8, '')
insert into dbo.t values (9, 'soon')
insert into dbo.t values (10, '15 May 1991 4pm')
GO
