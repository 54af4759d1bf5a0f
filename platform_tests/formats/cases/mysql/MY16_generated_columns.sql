-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `m` (`id` int, `twice` int GENERATED ALWAYS AS (`id` * 2) VIRTUAL, `plus` int AS (`id` + 1) STORED NOT NULL);
INSERT INTO `m` VALUES (1,2,2);
CREATE TABLE `n` (`id` int, `twice` int GENERATED ALWAYS AS ((`id` * 2)) VIRTUAL COMMENT 'x');
INSERT INTO `n` (`id`) VALUES (1);
INSERT INTO `n` VALUES (2,DEFAULT);

-- Dump completed on 2024-05-06  7:08:09
