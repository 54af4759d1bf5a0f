-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `s` varchar(9));
REPLACE INTO `t` VALUES (1,'a');
INSERT IGNORE INTO `t` VALUES (2,'a');
INSERT  IGNORE  INTO `t` VALUES (3,'a');
INSERT DELAYED `t` VALUES (4,'a');
INSERT INTO `t` VALUES (5,'a') ON DUPLICATE KEY UPDATE s=VALUES(s), id=LAST_INSERT_ID(id);
INSERT INTO `t` VALUES (6,'a'),(7,'b') AS new ON DUPLICATE KEY UPDATE s=new.s;
INSERT INTO `t` SET id=8, `s`='x,y';
INSERT INTO `t` SET id=9, s=DEFAULT;
INSERT INTO `t` PARTITION (p0) VALUES (10,'p');
INSERT INTO `t` VALUE (11,'v');

-- Dump completed on 2024-05-06  7:08:09
