-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `a` double, `b` datetime);
INSERT INTO `t` VALUES (1,NaN,NULL),(2,-inf,NULL),(3,1,NOW()),(4,2,'2020-01-01 00:00:00'),
(5,UUID(),NULL),(6,(SELECT max(id) FROM t),NULL),(7,CAST('1' AS DOUBLE),NULL),(8,1+1,NULL),(9,3,CURRENT_TIMESTAMP),(10,CONVERT('),(' USING utf8),NULL),(11,4,NULL);

-- Dump completed on 2024-05-06  7:08:09
