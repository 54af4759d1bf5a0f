-- MariaDB dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`a` int /*!50705 , `b` blob */ /*!50699 , `c` int */ /*!100100 , `maria` int */ /*M!100100 , `maria2` int */);
INSERT INTO `t` VALUES (1,/*!50705 0x4142,*/3,4,5);

-- Dump completed on 2024-05-06  7:08:09
