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
) ENGINE=InnoDB AUTO_INCREMENT=37 DEFAULT CHARSET=utf8mb4;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders`
--

LOCK TABLES `orders` WRITE;
/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
INSERT INTO `orders` VALUES (1,'Ben O\'Hara',6,2,'15.60','call first','2023-08-02 09:07:00','2023-08-02 10:07:30'),(2,'Chloé Martin',11,3,'134.70','leave at door; thanks','2023-08-03 10:14:00','2023-08-03 11:14:30'),(3,'Dirk van Dam',16,4,'57.20',NULL,'2023-08-04 11:21:00','2023-08-04 12:21:30'),(4,'Eva Núñez',5,1,'6.20','gift, wrap it','2023-08-05 12:28:00','2023-08-05 13:28:30'),(5,'Finn Ås',10,2,'66.00','address changed, see mail','2023-08-06 13:35:00','2024-01-03 12:00:00'),(6,'Gia Rossi',15,3,'66.30',NULL,'2023-08-07 14:42:00','2023-08-07 15:42:30'),(7,'Hugo Lefèvre',4,4,'159.80','it\'s urgent','2023-08-08 15:49:00','2023-08-08 16:49:30'),(8,'Ines Prado',9,1,'27.00',NULL,'2023-08-09 16:56:00','2023-08-09 17:56:30'),(9,'Jan Köhler',14,2,'52.50','100% deposit','2023-08-10 17:03:00','2023-08-10 18:03:30'),(10,'Ada Brook',3,3,'88.50',NULL,'2023-08-11 08:10:00','2023-08-11 09:10:30'),(11,'Ben O\'Hara',8,4,'125.60','call first','2023-08-12 09:17:00','2023-08-12 10:17:30'),(12,'Chloé Martin',13,2,'37.50','leave at door; thanks','2023-08-13 10:24:00','2024-01-05 07:41:09'),(13,'Dirk van Dam',2,2,'98.00',NULL,'2023-08-14 11:31:00','2023-08-14 12:31:30'),(14,'Eva Núñez',7,3,'72.00','gift, wrap it','2023-08-15 12:38:00','2023-08-15 13:38:30'),(15,'Finn Ås',12,4,'239.60','marked "fragile"','2023-08-16 13:45:00','2023-08-16 14:45:30'),(16,'Gia Rossi',1,1,'34.90',NULL,'2023-08-17 14:52:00','2023-08-17 15:52:30'),(17,'Hugo Lefèvre',6,2,'15.60','it\'s urgent','2023-08-18 15:59:00','2023-08-18 16:59:30'),(18,'Ines Prado',11,3,'134.70',NULL,'2023-08-19 16:06:00','2023-08-19 17:06:30'),(19,'Jan Köhler',16,4,'57.20','100% deposit','2023-08-20 17:13:00','2023-08-20 18:13:30'),(20,'Ada Brook',5,1,'6.20',NULL,'2023-08-21 08:20:00','2023-08-21 09:20:30'),(21,'Ben O\'Hara',10,2,'66.00','call first','2024-01-22 09:27:00','2024-01-22 10:27:30'),(22,'Chloé Martin',15,3,'66.30','leave at door; thanks','2024-01-23 10:34:00','2024-01-23 11:34:30'),(23,'Dirk van Dam',4,4,'159.80',NULL,'2024-01-24 11:41:00','2024-01-24 12:41:30'),(24,'Eva Núñez',9,1,'25.00','gift, wrap it','2024-01-25 12:48:00','2024-01-25 13:48:30'),(25,'Finn Ås',14,2,'52.50','paid ✓','2024-01-26 13:55:00','2024-03-02 15:45:00'),(26,'Gia Rossi',3,3,'88.50',NULL,'2024-01-27 14:02:00','2024-01-27 15:02:30'),(27,'Hugo Lefèvre',8,4,'125.60','it\'s urgent','2024-01-01 15:09:00','2024-01-01 16:09:30'),(28,'Ines Prado',13,1,'18.75',NULL,'2024-01-02 16:16:00','2024-01-02 17:16:30'),(29,'Jan Köhler',2,2,'93.00','100% deposit','2024-03-03 17:23:00','2024-03-03 18:23:30'),(30,'Ada Brook',7,3,'76.50',NULL,'2024-03-04 08:30:00','2024-03-04 09:30:30'),(31,'Ben O\'Hara',12,4,'219.60','call first','2024-03-05 09:37:00','2024-03-05 10:37:30'),(32,'Chloé Martin',1,1,'36.90','leave at door; thanks','2024-03-06 10:44:00','2024-03-06 11:44:30'),(33,'Dirk van Dam',6,2,'15.60',NULL,'2024-03-07 11:51:00','2024-03-07 12:51:30'),(34,'Eva Núñez',11,3,'134.70','gift, wrap it','2024-03-08 12:58:00','2024-03-08 13:58:30'),(35,'Finn Ås',16,4,'57.20','marked "fragile"','2024-03-09 13:05:00','2024-03-09 14:05:30'),(36,'Gia Rossi',5,1,'6.20',NULL,'2024-03-10 14:12:00','2024-03-10 15:12:30');
/*!40000 ALTER TABLE `orders` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `products`
--

DROP TABLE IF EXISTS `products`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE `products` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `sku` varchar(20) NOT NULL,
  `name` varchar(120) NOT NULL COMMENT 'as printed on the label, not a varchar(20) code',
  `price` decimal(10,2) NOT NULL DEFAULT '0.00',
  `stock` int DEFAULT NULL,
  `created_at` datetime DEFAULT NULL,
  `updated_at` datetime DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `products_sku` (`sku`)
) ENGINE=InnoDB AUTO_INCREMENT=23 DEFAULT CHARSET=utf8mb4;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `products`
--

LOCK TABLES `products` WRITE;
/*!40000 ALTER TABLE `products` DISABLE KEYS */;
INSERT INTO `products` VALUES (1,'KET-01','Kettle, 1.7 l','36.90',40,'2023-02-11 09:01:00','2024-03-01 10:00:00'),
(2,'KET-02','Kettle \'Retro\', 1.0 l','46.50',12,'2023-03-12 09:02:00','2023-09-04 16:20:00'),
(3,'TOA-01','Toaster "Double", 2 slots','29.50',25,'2023-04-13 09:03:00','2023-08-04 10:15:00'),
(4,'TOA-02','Toaster, long slot','39.95',55,'2023-05-14 09:04:00','2023-09-05 08:00:00'),
(5,'CUP-01','Cup, 0.3 l','6.20',122,'2023-06-15 09:05:00','2024-03-28 17:30:00'),
(6,'CUP-02','Cup, 0.5 l','7.80',180,'2023-01-16 09:06:00','2023-08-07 10:15:00'),
(7,'CAF-01','Café press, 8 cups','25.50',33,'2023-02-17 09:07:00','2024-01-15 09:00:00'),
(8,'CAF-02','Crème brûlée set','31.40',4,'2023-03-18 09:08:00','2024-02-10 18:05:12'),
(9,'PAN-01','Pan, 24 cm','25.00',64,'2023-04-19 09:09:00','2023-09-05 08:30:00'),
(10,'PAN-02','Pan, 28 cm','33.00',51,'2023-05-20 09:10:00',NULL),
(11,'POT-01','Pot; with lid','44.90',18,'2023-06-21 09:11:00','2023-08-12 10:15:00'),
(12,'POT-02','Pot -- the big one','54.90',11,'2023-01-22 09:12:00','2023-09-06 11:45:00'),
(13,'KNI-01','Knife, 12 cm','18.75',77,'2023-02-23 09:13:00','2023-08-14 10:15:00'),
(14,'KNI-02','Knife, 20 cm','26.25',61,'2023-03-24 09:14:00','2023-08-15 10:15:00'),
(15,'BOA-01','Board, oak','22.10',29,'2023-04-25 09:15:00',NULL),
(16,'BOA-02','Board, bamboo','14.30',40,'2023-05-26 09:16:00','2024-03-30 06:12:45'),
(17,'SCA-01','Scale, 5 kg','19.90',44,'2024-01-17 08:00:00','2024-01-17 08:00:00'),
(18,'SCA-02','Scale, 500 g (0.1 g)','23.60',15,'2024-01-18 08:00:00','2024-01-18 08:00:00'),
(19,'GRI-01','Mühle for pepper','28.00',38,'2024-01-19 08:00:00','2024-01-19 08:00:00'),
(20,'GRI-02','Mill for salt','27.00',36,'2024-03-02 08:00:00','2024-03-02 08:00:00'),
(21,'BOW-01','Bowl\nset of 3','21.00',26,'2024-03-03 08:00:00','2024-03-03 08:00:00'),
(22,'BOW-02','Bowl C:\\large','12.40',0,'2024-03-04 08:00:00','2024-03-04 08:00:00');
/*!40000 ALTER TABLE `products` ENABLE KEYS */;
UNLOCK TABLES;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2024-04-02  3:10:01
