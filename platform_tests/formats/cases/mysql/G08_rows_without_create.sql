INSERT INTO `named` (`id`,`name`) VALUES (1,'x'),(007,NULL);
INSERT INTO `unnamed` VALUES (1,'a;b',0x41),(2,'c',NULL);
