-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

SET sql_mode='ANSI';
CREATE TABLE "t" ("id" int, "a ""b""" text, PRIMARY KEY ("id"));
INSERT INTO "t" VALUES (1,'x');
INSERT INTO "t" ("a ""b""","id") VALUES ('y',2),("z",3);

-- Dump completed on 2024-05-06  7:08:09
