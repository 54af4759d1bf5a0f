-- MariaDB dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `hidden` int INVISIBLE DEFAULT 5);
INSERT INTO `t` VALUES (1);
INSERT INTO `t` (`id`, `hidden`) VALUES (2,7);

-- Dump completed on 2024-05-06  7:08:09
