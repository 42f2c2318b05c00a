--
-- PostgreSQL database dump
--

CREATE TABLE public.books (
    title text NOT NULL
);

COPY public.books (title) FROM stdin;
Walden
Emma
\.
