CREATE TABLE public.owner (id integer NOT NULL, name text DEFAULT 'x'::text, mail text);
CREATE TABLE public.pet (id integer NOT NULL, owner_id integer, tag text);
COPY public.owner (id, name, mail) FROM stdin;
1	a	a@b
\.
COPY public.pet (id, owner_id, tag) FROM stdin;
1	1	t
\.
ALTER TABLE ONLY public.owner ADD CONSTRAINT owner_pkey PRIMARY KEY (id), ADD CONSTRAINT u UNIQUE (mail);
ALTER TABLE ONLY public.pet ADD CONSTRAINT pet_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX pet_tag ON public.pet USING btree (tag DESC);
CREATE UNIQUE INDEX pet_some ON public.pet USING btree (owner_id) WHERE (tag IS NULL);
ALTER TABLE ONLY public.pet ADD CONSTRAINT f FOREIGN KEY (owner_id) REFERENCES public.owner ON DELETE CASCADE;
ALTER TABLE public.pet ALTER COLUMN tag SET NOT NULL;
COMMENT ON TABLE public.pet IS 'what; they''ll keep';
COMMENT ON COLUMN public.pet.tag IS 'the starting point for a date';
