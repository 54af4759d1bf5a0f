-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

DROP TABLE IF EXISTS `v1`;
/*!50001 DROP VIEW IF EXISTS `v1`*/;
/*!50001 CREATE TABLE `v1` (
  `id` int
) ENGINE=MyISAM */;
/*!50001 CREATE VIEW `v2` AS SELECT 1 AS `id`*/;
-- Stand-in structure for view `v3`
CREATE TABLE `v3` (`id` int);
CREATE TABLE `v4` (`id` int);
-- Table structure for table `t`
CREATE TABLE `t` (`id` int);
INSERT INTO `t` VALUES (1);
DROP TABLE IF EXISTS `v4`;
CREATE ALGORITHM=UNDEFINED DEFINER=`r`@`l` SQL SECURITY DEFINER VIEW `v4` AS SELECT `t`.`id` AS `id` FROM `t`;
/*!50001 DROP TABLE IF EXISTS `v1`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`r`@`l` SQL SECURITY DEFINER */
/*!50001 VIEW `v1` AS select `t`.`id` AS `id` from `t` */;

-- Dump completed on 2024-05-06  7:08:09
