-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`a` int, `b` varchar(9) DEFAULT 'dé', `c` int DEFAULT 5, `d` timestamp DEFAULT CURRENT_TIMESTAMP, `e` int, `f` binary(3) DEFAULT 'x');
INSERT INTO `t` (`e`,`a`) VALUES (1,2);
INSERT INTO `t` VALUES (3,DEFAULT,DEFAULT,DEFAULT,DEFAULT,DEFAULT);
INSERT INTO `t` VALUES ();
INSERT INTO `t` (`a`,`nope`) VALUES (1,2);
INSERT INTO `t` (`a`,`b`) VALUES (1),(2,'x','y'),(4,'ok');

-- Dump completed on 2024-05-06  7:08:09
