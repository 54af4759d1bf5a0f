-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`a` int, `b` varchar(9));
INSERT INTO `t` VALUES (1,'x'),(2,NULL);
INSERT INTO `t` VALUES
(3,'x'),
(4,NULL);
INSERT INTO `t` (`a`, `b`) VALUES (5, 'x'), (6, NULL);
INSERT INTO `t` VALUES (7,'x');
INSERT INTO `t` VALUES (8,'y');
INSERT INTO t(b,a)VALUES('x',9);
insert into `t` values ( 10 , 'z' ) ;

-- Dump completed on 2024-05-06  7:08:09
