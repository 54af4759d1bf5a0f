-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `naive` (`ts` timestamp NULL, `dt` datetime);
INSERT INTO `naive` VALUES ('2020-01-01 00:00:00','2020-01-01 00:00:00');
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
CREATE TABLE `utc` (`ts` timestamp NULL, `dt` datetime);
INSERT INTO `utc` VALUES ('2020-01-01 00:00:00','2020-01-01 00:00:00');
SET time_zone='+07:00';
CREATE TABLE `east` (`ts` timestamp(3) NULL, `dt` datetime);
INSERT INTO `east` VALUES ('2020-01-01 00:00:00.250','2020-01-01 00:00:00'),('0000-00-00 00:00:00',NULL);
SET time_zone='Europe/Berlin';
CREATE TABLE `berlin` (`ts` timestamp NULL);
INSERT INTO `berlin` VALUES ('2020-01-01 00:00:00');
INSERT INTO `utc` VALUES ('2021-01-01 00:00:00',NULL);
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

-- Dump completed on 2024-05-06  7:08:09
