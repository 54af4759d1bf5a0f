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
 (2,'KET-02','Kettle \'Retro\', 1.0 l','46.50',12,'mint','2023-03-12 09:02:00','2023-09-04 16:20:00'),
 (4,'TOA-02','Toaster, long slot','39.95',55,NULL,'2023-05-14 09:04:00','2023-09-05 08:00:00'),
 (9,'PAN-01','Pan, 24 cm','25.00',64,'black','2023-04-19 09:09:00','2023-09-05 08:30:00');
 (12,'POT-02','Pot -- the big one','54.90',11,'red','2023-01-22 09:12:00','2023-09-06 11:45:00');
/*!40000 ALTER TABLE `products` ENABLE KEYS */;
