-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int);
DELIMITER ;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
BEGIN INSERT INTO t VALUES (99); SELECT 'END;;'; END ;;
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t ;;
DELIMITER ;
GRANT ALL ON *.* TO x@y;
CREATE USER u;
CREATE VIEW v AS SELECT * FROM t;
INSERT INTO `t` VALUES (1);

-- Dump completed on 2024-05-06  7:08:09
