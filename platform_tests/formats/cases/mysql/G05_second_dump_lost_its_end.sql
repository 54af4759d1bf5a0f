-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `a` (`id` int);
INSERT INTO `a` VALUES (1);

-- Dump completed on 2024-05-06  7:08:09
-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `b` (`id` int);
INSERT INTO `b` VALUES (2);
