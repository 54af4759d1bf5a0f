-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`u` bigint(20) unsigned, `i` bigint, `d` decimal(65,30), `x` double, `z` int(6) unsigned zerofill, `b` tinyint(1), `q` decimal(15,3), `s` varchar(9));
INSERT INTO `t` VALUES (18446744073709551615,-9223372036854775808,12345678901234567890123456789012345.123456789012345678901234567890,1.7976931348623157e308,000042,TRUE,'1.000',007),(0,+1,.5,-2.2250738585072014e-308,1,false,-.5,1.50),('18446744073709551615','-1','-0.5','1e5','000042','1',+.25,.5),(NULL,null,NULL,NULL,NULL,NULL,NULL,NULL),(- 5,1,1,1,1,0,1,'x');

-- Dump completed on 2024-05-06  7:08:09
