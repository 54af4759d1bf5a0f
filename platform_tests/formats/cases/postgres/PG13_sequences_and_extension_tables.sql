CREATE EXTENSION IF NOT EXISTS postgis;
COPY public.spatial_ref_sys (srid, auth_name) FROM stdin;
4326	EPSG
\.
SELECT pg_catalog.setval('public.t_id_seq', 5, true);
