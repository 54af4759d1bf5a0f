-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1),(2);
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (`id` int, `name` varchar(9));
INSERT INTO `t` VALUES (3,'three');

-- Dump completed on 2024-05-06  7:08:09
