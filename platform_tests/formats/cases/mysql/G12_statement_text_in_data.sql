-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `s` text);
INSERT INTO `t` VALUES (1,'a; b'),(2,'-- no comment'),(3,'/* nor this */'),(4,'# nor that'),(5,'DELIMITER //\nINSERT INTO `x` VALUES (1);'),(6,'COPY t FROM stdin;\n\\.'),(7,'(8,\'x\'),'),(8,'*/');

-- Dump completed on 2024-05-06  7:08:09
