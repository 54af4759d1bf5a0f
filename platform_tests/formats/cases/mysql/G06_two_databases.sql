-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE DATABASE `one`;
USE `one`;
CREATE TABLE `t` (`id` int PRIMARY KEY);
CREATE TABLE `child` (`t_id` int, FOREIGN KEY (`t_id`) REFERENCES `t` (`id`));
INSERT INTO `t` VALUES (1);
USE `two`;
CREATE TABLE `t` (`id` int PRIMARY KEY, `more` int);
CREATE TABLE `child` (`t_id` int, FOREIGN KEY (`t_id`) REFERENCES `t` (`id`));
INSERT INTO `t` VALUES (2,3);
INSERT INTO `one`.`t` VALUES (4);
USE `one`;
INSERT INTO `t` VALUES (5);

-- Dump completed on 2024-05-06  7:08:09
