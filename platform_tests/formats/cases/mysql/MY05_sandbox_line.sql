/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1);

-- Dump completed
