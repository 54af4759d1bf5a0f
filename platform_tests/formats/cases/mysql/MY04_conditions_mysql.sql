-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`a` int /*!80099 , `no` int */ /*!50705 , `b` blob */ /*!40100 , `c` int */ /*!100100 , `maria` int */ /*M!100100 , `maria2` int */) /*!50100 PARTITION BY HASH (a) */;
INSERT INTO `t` VALUES (1,/*!50705 0x4142,*/3 /*!99999 ,9 */),(4,/*!50705 NULL,*/ /* plain */ 5);
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
/*!50000 INSERT INTO `t` VALUES (6,'x',7) */;
/*!99999 INSERT INTO `t` VALUES (9,'never',9) */;

-- Dump completed on 2024-05-06  7:08:09
