-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES' */;
CREATE TABLE `t` (`id` int, `s` text);
INSERT INTO `t` VALUES (1,'a\'),(2,'it''s\n');
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
INSERT INTO `t` VALUES (3,'it\'s\n');
SET sql_mode=CONCAT(@@sql_mode,',NO_BACKSLASH_ESCAPES');
INSERT INTO `t` VALUES (4,'\');

-- Dump completed on 2024-05-06  7:08:09
