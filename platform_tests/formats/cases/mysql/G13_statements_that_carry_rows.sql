-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1);
INSERT INTO `t` SELECT id + 1 FROM `t`;
REPLACE INTO `t` (`id`) SELECT 5;
UPDATE `t` SET id = 7;
DELETE FROM `t` WHERE id = 1;
LOAD DATA INFILE 'x' INTO TABLE `t`;
CREATE TABLE `u` AS SELECT 1 AS one;
hello there;
INSERT INTO `t` VALUES (2);

-- Dump completed on 2024-05-06  7:08:09
