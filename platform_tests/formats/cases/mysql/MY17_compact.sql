CREATE TABLE `t` (`id` int) ENGINE=InnoDB;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `t` VALUES (1);
