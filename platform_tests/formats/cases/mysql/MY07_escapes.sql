-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `s` text);
INSERT INTO `t` VALUES (1,'\0\'\"\b\n\r\t\Z\\'),(2,'100\% a\_b'),(3,'it''s'),(4,"say ""x"" 'y' \"z\""),(5,'a' 'b'
'c'),(6,"a'" 'b'),(7,'\x\é'),(8,'\\'),(9,'\\\''''),(10,''),(11,''''),(12,'\'\''),(13,_utf8mb4'é'),(14,_latin1 0xE9),(15,N'n'),(16,_utf8mb4'c' COLLATE utf8mb4_bin);

-- Dump completed on 2024-05-06  7:08:09
