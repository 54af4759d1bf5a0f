-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1);
TRUNCATE TABLE `t`;
INSERT INTO `t` VALUES (2);
DELETE FROM `t`;
INSERT INTO `t` VALUES (3);

-- Dump completed on 2024-05-06  7:08:09
