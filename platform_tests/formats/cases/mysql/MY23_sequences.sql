-- MariaDB dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE SEQUENCE `seq1` start with 1 minvalue 1;
DO SETVAL(`seq1`, 1001, 0);
INSERT INTO `seq1` VALUES (1,1,9,1,1,1000,0,0);
CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1);

-- Dump completed on 2024-05-06  7:08:09
