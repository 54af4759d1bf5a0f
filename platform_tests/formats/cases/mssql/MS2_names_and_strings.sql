set quoted_identifier on
GO
CREATE TABLE "dbo"."Order Details" ("Order ID" "int" NOT NULL, [a]]b] [varchar](40), c nvarchar(40))
GO
INSERT "Order Details" VALUES(1,'back\slash ''quoted'' ;-- /* not a comment */',N'"double" \n ünïcode 😀')
Insert Into "Order Details" Values (2, '', null)
insert [Order Details]
   values(3, N'it''s', 'a' + char(13) + NCHAR(10) + 'b')
insert "order details" ([Order ID], [a]]b], C)
select 4, 'four', 'iv' UNION ALL
select 5, 'five', NULL union all select 6 AS n, 'six' as x, 'vi' collate Latin1_General_CI_AS
insert into dbo.[Order Details] ([Order ID]) select [Order ID] + 10 from dbo.[Order Details]
GO
