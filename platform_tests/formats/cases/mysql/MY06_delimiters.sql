-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int);
DELIMITER //
CREATE TRIGGER tr1 BEFORE INSERT ON t FOR EACH ROW BEGIN INSERT INTO t VALUES (99); END//
INSERT INTO `t` VALUES (1),(2)//
DELIMITER $$
CREATE FUNCTION f() RETURNS int RETURN 1$$
INSERT INTO `t` VALUES (3)$$
delimiter ;
/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER tr2 BEFORE INSERT ON t FOR EACH ROW INSERT INTO t VALUES (98) */;
CREATE TRIGGER tr3 AFTER INSERT ON t FOR EACH ROW BEGIN IF 1 THEN INSERT INTO t(id) VALUES (97); END IF; CASE 1 WHEN 1 THEN SELECT 1; END CASE; END;
INSERT INTO `t` VALUES (4);

-- Dump completed on 2024-05-06  7:08:09
