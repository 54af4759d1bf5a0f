-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: db1    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Table structure for table `orders`
--

DROP TABLE IF EXISTS `orders`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `orders` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `customer` varchar(80) NOT NULL,
  `product_id` int unsigned NOT NULL,
  `quantity` smallint NOT NULL DEFAULT '1',
  `total` decimal(12,2) DEFAULT NULL,
  `note` text,
  `ordered_at` datetime NOT NULL,
  `updated_at` datetime DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `orders_product` (`product_id`),
  CONSTRAINT `orders_product` FOREIGN KEY (`product_id`) REFERENCES `products` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=41 DEFAULT CHARSET=utf8mb4;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders`
--

LOCK TABLES `orders` WRITE;
/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
INSERT INTO `orders` VALUES (1,'Ben O\'Hara',6,2,'15.60','returned','2023-08-02 09:07:00','2024-05-02 13:00:00'),
(2,'Chloé Martin',11,3,'134.70','leave at door; thanks','2023-08-03 10:14:00','2023-08-03 11:14:30'),
(3,'Dirk van Dam',16,4,'57.20',NULL,'2023-08-04 11:21:00','2023-08-04 12:21:30'),
(4,'Eva Núñez',5,1,'6.20','gift, wrap it','2023-08-05 12:28:00','2023-08-05 13:28:30'),
(5,'Finn Ås',10,2,'66.00','address changed, see mail','2023-08-06 13:35:00','2024-01-03 12:00:00'),
(6,'Gia Rossi',15,3,'66.30',NULL,'2023-08-07 14:42:00','2023-08-07 15:42:30'),
(7,'Hugo Lefèvre',4,4,'159.80','it\'s urgent','2023-08-08 15:49:00','2023-08-08 16:49:30'),
(8,'Ines Prado',9,1,'27.00',NULL,'2023-08-09 16:56:00','2023-08-09 17:56:30'),
(9,'Jan Köhler',14,2,'52.50','100% deposit','2023-08-10 17:03:00','2023-08-10 18:03:30'),
(10,'Ada Brook',3,3,'88.50',NULL,'2023-08-11 08:10:00','2023-08-11 09:10:30'),
(11,'Ben O\'Hara',8,4,'125.60','call first','2023-08-12 09:17:00','2023-08-12 10:17:30'),
(12,'Chloé Martin',13,2,'37.50','leave at door; thanks','2023-08-13 10:24:00','2024-01-05 07:41:09'),
(13,'Dirk van Dam',2,2,'98.00',NULL,'2023-08-14 11:31:00','2023-08-14 12:31:30'),
(14,'Eva Núñez',7,3,'72.00','gift, wrap it','2023-08-15 12:38:00','2023-08-15 13:38:30'),
(15,'Finn Ås',12,4,'239.60','marked "fragile"','2023-08-16 13:45:00','2023-08-16 14:45:30'),
(16,'Gia Rossi',1,1,'34.90',NULL,'2023-08-17 14:52:00','2023-08-17 15:52:30'),
(17,'Hugo Lefèvre',6,2,'15.60','it\'s urgent','2023-08-18 15:59:00','2023-08-18 16:59:30'),
(18,'Ines Prado',11,3,'134.70',NULL,'2023-08-19 16:06:00','2023-08-19 17:06:30'),
(19,'Jan Köhler',16,4,'57.20','100% deposit','2023-08-20 17:13:00','2023-08-20 18:13:30'),
(20,'Ada Brook',5,1,'6.20',NULL,'2023-08-21 08:20:00','2023-08-21 09:20:30'),
(21,'Ben O\'Hara',10,2,'66.00','call first','2024-01-22 09:27:00','2024-01-22 10:27:30'),
(22,'Chloé Martin',15,3,'66.30','leave at door; thanks','2024-01-23 10:34:00','2024-01-23 11:34:30'),
(23,'Dirk van Dam',4,4,'159.80',NULL,'2024-01-24 11:41:00','2024-01-24 12:41:30'),
(24,'Eva Núñez',9,1,'25.00','gift, wrap it','2024-01-25 12:48:00','2024-01-25 13:48:30'),
(25,'Finn Ås',14,2,'52.50','paid ✓','2024-01-26 13:55:00','2024-03-02 15:45:00'),
(26,'Gia Rossi',3,3,'88.50',NULL,'2024-01-27 14:02:00','2024-01-27 15:02:30'),
(27,'Hugo Lefèvre',8,4,'125.60','it\'s urgent','2024-01-01 15:09:00','2024-01-01 16:09:30'),
(28,'Ines Prado',13,1,'18.75',NULL,'2024-01-02 16:16:00','2024-01-02 17:16:30'),
(29,'Jan Köhler',2,2,'93.00','100% deposit','2024-03-03 17:23:00','2024-03-03 18:23:30'),
(30,'Ada Brook',7,3,'76.50',NULL,'2024-03-04 08:30:00','2024-03-04 09:30:30'),
(31,'Ben O\'Hara',12,9,'494.10','call first','2024-03-05 09:37:00','2024-05-03 09:09:09'),
(32,'Chloé Martin',1,1,'36.90','leave at door; thanks','2024-03-06 10:44:00','2024-03-06 11:44:30'),
(33,'Dirk van Dam',6,2,'15.60',NULL,'2024-03-07 11:51:00','2024-03-07 12:51:30'),
(34,'Eva Núñez',11,3,'134.70','gift, wrap it','2024-03-08 12:58:00','2024-03-08 13:58:30'),
(35,'Finn Ås',16,4,'57.20','marked "fragile"','2024-03-09 13:05:00','2024-03-09 14:05:30'),
(36,'Gia Rossi',5,1,'6.20',NULL,'2024-03-10 14:12:00','2024-03-10 15:12:30'),
(37,'Hugo Lefèvre',10,2,'66.00','it\'s urgent','2024-05-11 15:19:00','2024-05-11 16:19:30'),
(38,'Ines Prado',15,3,'66.30',NULL,'2024-05-12 16:26:00','2024-05-12 17:26:30'),
(39,'Jan K