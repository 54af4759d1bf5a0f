-- MySQL Administrator dump 1.4
--
-- ------------------------------------------------------
-- Server version	5.0.67-community-nt


/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8 */;

/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;


--
-- Create schema shop
--

CREATE DATABASE IF NOT EXISTS shop;
USE shop;

--
-- Definition of table `products`
--

DROP TABLE IF EXISTS `products`;
CREATE TABLE `products` (
  `id` int(10) unsigned NOT NULL auto_increment,
  `sku` varchar(20) NOT NULL,
  `name` varchar(120) NOT NULL,
  `price` decimal(10,2) NOT NULL default '0.00',
  `stock` int(11) default NULL,
  `colour` varchar(20) default NULL,
  `created_at` datetime default NULL,
  `updated_at` datetime default NULL,
  PRIMARY KEY  (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=latin1;

--
-- Dumping data for table `products`
--

/*!40000 ALTER TABLE `products` DISABLE KEYS */;
INSERT INTO `products` (`id`,`sku`,`name`,`price`,`stock`,`colour`,`created_at`,`updated_at`) VALUES 
 (1,'KET-01','Kettle, 1.7 l','34.90',40,'white','2023-02-11 09:01:00','2023-08-02 10:15:00'),
 (2,'KET-02','Kettle \'Retro\', 1.0 l','49.00',12,'mint','2023-03-12 09:02:00','2023-08-03 10:15:00'),
 (3,'TOA-01','Toaster "Double", 2 slots','29.50',25,'black','2023-04-13 09:03:00','2023-08-04 10:15:00'),
 (4,'TOA-02','Toaster, long slot','39.95',0,NULL,'2023-05-14 09:04:00','2023-08-05 10:15:00'),
 (5,'CUP-01','Cup, 0.3 l','6.20',310,'blue','2023-06-15 09:05:00',NULL),
 (6,'CUP-02','Cup, 0.5 l','7.80',180,'blue','2023-01-16 09:06:00','2023-08-07 10:15:00'),
 (7,'CAF-01','Café press, 8 cups','24.00',33,'steel','2023-02-17 09:07:00','2023-08-08 10:15:00'),
 (8,'CAF-02','Crème brûlée set','31.40',9,NULL,'2023-03-18 09:08:00','2023-08-09 10:15:00'),
 (9,'PAN-01','Pan, 24 cm','27.00',64,'black','2023-04-19 09:09:00','2023-08-10 10:15:00'),
 (10,'PAN-02','Pan, 28 cm','33.00',51,'black','2023-05-20 09:10:00',NULL),
 (11,'POT-01','Pot; with lid','44.90',18,'red','2023-06-21 09:11:00','2023-08-12 10:15:00'),
 (12,'POT-02','Pot -- the big one','59.90',7,'red','2023-01-22 09:12:00','2023-08-13 10:15:00'),
 (13,'KNI-01','Knife, 12 cm','18.75',77,NULL,'2023-02-23 09:13:00','2023-08-14 10:15:00'),
 (14,'KNI-02','Knife, 20 cm','26.25',61,NULL,'2023-03-24 09:14:00','2023-08-15 10:15:00'),
 (15,'BOA-01','Board, oak','22.10',29,'natural','2023-04-25 09:15:00',NULL),
 (16,'BOA-02','Board, bamboo','14.30',0,'natural','2023-05-26 09:16:00','2023-08-17 10:15:00');
/*!40000 ALTER TABLE `products` ENABLE KEYS */;


--
-- Definition of table `orders`
--

DROP TABLE IF EXISTS `orders`;
CREATE TABLE `orders` (
  `id` int(10) unsigned NOT NULL auto_increment,
  `customer` varchar(80) NOT NULL,
  `product_id` int(10) unsigned NOT NULL,
  `quantity` smallint(6) NOT NULL default '1',
  `total` decimal(12,2) default NULL,
  `note` text,
  `ordered_at` datetime NOT NULL,
  `updated_at` datetime default NULL,
  PRIMARY KEY  (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=21 DEFAULT CHARSET=latin1;

--
-- Dumping data for table `orders`
--

/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
INSERT INTO `orders` (`id`,`customer`,`product_id`,`quantity`,`total`,`note`,`ordered_at`,`updated_at`) VALUES 
 (1,'Ben O\'Hara',6,2,'15.60','call first','2023-08-02 09:07:00','2023-08-02 10:07:30'),
 (2,'Chloé Martin',11,3,'134.70','leave at door; thanks','2023-08-03 10:14:00','2023-08-03 11:14:30'),
 (3,'Dirk van Dam',16,4,'57.20',NULL,'2023-08-04 11:21:00','2023-08-04 12:21:30'),
 (4,'Eva Núñez',5,1,'6.20','gift, wrap it','2023-08-05 12:28:00','2023-08-05 13:28:30'),
 (5,'Finn Ås',10,2,'66.00','marked "fragile"','2023-08-06 13:35:00','2023-08-06 14:35:30'),
 (6,'Gia Rossi',15,3,'66.30',NULL,'2023-08-07 14:42:00','2023-08-07 15:42:30'),
 (7,'Hugo Lefèvre',4,4,'159.80','it\'s urgent','2023-08-08 15:49:00','2023-08-08 16:49:30'),
 (8,'Ines Prado',9,1,'27.00',NULL,'2023-08-09 16:56:00','2023-08-09 17:56:30'),
 (9,'Jan Köhler',14,2,'52.50','100% deposit','2023-08-10 17:03:00','2023-08-10 18:03:30'),
 (10,'Ada Brook',3,3,'88.50',NULL,'2023-08-11 08:10:00','2023-08-11 09:10:30'),
 (11,'Ben O\'Hara',8,4,'125.60','call first','2023-08-12 09:17:00','2023-08-12 10:17:30'),
 (12,'Chloé Martin',13,1,'18.75','leave at door; thanks','2023-08-13 10:24:00','2023-08-13 11:24:30'),
 (13,'Dirk van Dam',2,2,'98.00',NULL,'2023-08-14 11:31:00','2023-08-14 12:31:30'),
 (14,'Eva Núñez',7,3,'72.00','gift, wrap it','2023-08-15 12:38:00','2023-08-15 13:38:30'),
 (15,'Finn Ås',12,4,'239.60','marked "fragile"','2023-08-16 13:45:00','2023-08-16 14:45:30'),
 (16,'Gia Rossi',1,1,'34.90',NULL,'2023-08-17 14:52:00','2023-08-17 15:52:30'),
 (17,'Hugo Lefèvre',6,2,'15.60','it\'s urgent','2023-08-18 15:59:00','2023-08-18 16:59:30'),
 (18,'Ines Prado',11,3,'134.70',NULL,'2023-08-19 16:06:00','2023-08-19 17:06:30'),
 (19,'Jan Köhler',16,4,'57.20','100% deposit','2023-08-20 17:13:00','2023-08-20 18:13:30'),
 (20,'Ada Brook',5,1,'6.20',NULL,'2023-08-21 08:20:00','2023-08-21 09:20:30');
/*!40000 ALTER TABLE `orders` ENABLE KEYS */;



/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
