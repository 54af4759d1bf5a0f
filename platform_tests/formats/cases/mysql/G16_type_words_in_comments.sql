-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (
  `id` int NOT NULL COMMENT 'used as a *starting point* for `x`, PRIMARY KEY (`b`)',
  `b` varchar(10) COMMENT 'a blob, not null, geometry) ENGINE=x',
  `c` varchar(5) DEFAULT 'int, c' COMMENT "double, 'quoted'",
  PRIMARY KEY (`id`)
) ENGINE=InnoDB COMMENT='the table, with (things)';
INSERT INTO `t` VALUES (1,'x','y');

-- Dump completed on 2024-05-06  7:08:09
