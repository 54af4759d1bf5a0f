-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `weird ``name``; -- x` (`id` int, `select` int, `col with space` int, `ünï` int, `a``b` int, `../x` int, `comment 'q'` int COMMENT 'it''s; a \'comment\'');
INSERT INTO `weird ``name``; -- x` VALUES (1,2,3,4,5,6,7);
INSERT INTO `weird ``name``; -- x` (`A``B`, `ÜNÏ`) VALUES (1,2);

-- Dump completed on 2024-05-06  7:08:09
