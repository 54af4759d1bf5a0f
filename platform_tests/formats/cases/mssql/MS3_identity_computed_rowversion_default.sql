CREATE TABLE [dbo].[t](
	[id] [int] IDENTITY(10,5) NOT NULL,
	[price] [money] NOT NULL CONSTRAINT [DF_price] DEFAULT ((1.5)),
	[n] [int] NULL,
	[total]  AS ([price]*[n]) PERSISTED,
	[rv] [timestamp] NOT NULL,
	[made] [datetime] NOT NULL DEFAULT (getdate()),
	[flag] [bit] NOT NULL DEFAULT ((0)),
 CONSTRAINT [PK_t] PRIMARY KEY CLUSTERED ([id] ASC) WITH (PAD_INDEX = OFF, STATISTICS_NORECOMPUTE = OFF) ON [PRIMARY]
) ON [PRIMARY]
GO
SET IDENTITY_INSERT [dbo].[t] ON 
GO
INSERT [dbo].[t] ([id], [price], [n], [made], [flag]) VALUES (7, 2.0000, 3, CAST(N'2020-01-02T03:04:05.007' AS DateTime), 1)
INSERT [dbo].[t] ([id], [price], [n], [rv], [made], [flag]) VALUES (8, DEFAULT, NULL, DEFAULT, '20200102', 'True')
INSERT [dbo].[t] ([id], [price], [n], [rv], [made], [flag]) VALUES (30, $-3.25, -1, 0x00000000000007D1, N'2020-01-02', DEFAULT)
SET IDENTITY_INSERT [dbo].[t] OFF
GO
INSERT [dbo].[t] ([n], [made]) VALUES (1, '2021-01-01T00:00:00')
INSERT [dbo].[t] VALUES ($4, 5, DEFAULT, '2021-01-01T00:00:00', 0)
INSERT [dbo].[t] ([total]) VALUES (5)
GO
