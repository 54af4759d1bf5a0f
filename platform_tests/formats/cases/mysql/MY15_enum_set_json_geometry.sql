-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`e` enum('a','b,c','d''e',''), `s` set('x','y','z'), `j` json, `g` geometry, `p` point);
INSERT INTO `t` VALUES ('b,c','x,y','{\"k\": \"v\\\"q\"}',0x000000000101000000000000000000F03F0000000000000040,NULL),('','','[]',NULL,NULL),('d\'e','z',NULL,NULL,NULL),(3,5,NULL,NULL,NULL);

-- Dump completed on 2024-05-06  7:08:09
