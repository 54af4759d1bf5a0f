-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

CREATE TABLE `t` (`id` int, `b` blob, `f` binary(4), `v` varbinary(9), `bits` bit(12), `n` int, `s` varchar(9) CHARACTER SET latin1);
INSERT INTO `t` VALUES (1,'a\0\'b','A\0\0\0','','\n\Z',0x10,0x41E9);
INSERT INTO `t` VALUES (2,0x00FF,0x41,'',0x0AAA,b'101',x'41'),(3,_binary 'x\'y','AB',X'4142',b'101010101010',0b11,b'01000001'),(4,_binary 0x4142,'','',5,0xFF,''),(5,0xABC,NULL,NULL,b'0',TRUE,NULL);

-- Dump completed on 2024-05-06  7:08:09
